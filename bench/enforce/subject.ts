// Bench: one way to enforce, with the hub, the client and the place that it is measured with.
import type { Place } from './costs.ts';
import type { Enforced } from './enforced.ts';
import type { NamespaceHub } from './namespace-hub.ts';
import type { SyncClient } from './sync-client.ts';

export interface Subject extends Place {
  readonly enforced: Enforced;
  readonly hub: NamespaceHub;
  readonly client: SyncClient;
  /** For its files. */
  readonly folder: string;
}
