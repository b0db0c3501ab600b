// Sync client, pull: the hub's whole list, or what changed since a revision. Complete and checked entries come out, or a refusal.
import type { Address } from '../server/core/address.ts';
import { COUNT_HEADER, DIGEST_HEADER, REVISION_HEADER } from '../server/core/feed-headers.ts';
import { type Blocklist, canonicalAddress, parseBlocklist, shown } from './blocklist.ts';
import { askHub, type Hub, type Refused, refused } from './hub-request.ts';

export interface PulledList {
  readonly kind: 'list';
  readonly revision: number;
  /** Empty when the hub sent none. */
  readonly etag: string;
  readonly list: Blocklist;
  readonly remote: string | undefined;
}

export type ListAnswer = PulledList | { readonly kind: 'unchanged'; readonly remote: string | undefined } | Refused;

export interface PulledChanges {
  readonly kind: 'changes';
  readonly since: number;
  readonly revision: number;
  /** How many entries the whole list has at `revision`. */
  readonly count: number;
  readonly add: readonly Address[];
  readonly remove: readonly Address[];
  /** Of those removed: bans that an administrator lifted. */
  readonly lifted: readonly Address[];
}

export type ChangesAnswer = PulledChanges | { readonly kind: 'reset' } | Refused;

/** `unchanged` only when `etag` was given. */
export async function pullList(hub: Hub, etag: string, signal?: AbortSignal): Promise<ListAnswer> {
  const answer = await askHub(hub, { path: '/blocklist.txt', type: 'text/plain', etag, signal });
  if (answer.kind === 'refused') return answer;
  if (answer.status === 304) return { kind: 'unchanged', remote: answer.remote };
  const revision = wholeNumber(answer.headers[REVISION_HEADER]);
  const count = wholeNumber(answer.headers[COUNT_HEADER]);
  // An empty 200 without them is what a proxy or a half-set-up web server sends: it would unblock everything.
  if (revision === undefined) return lacking(REVISION_HEADER);
  if (count === undefined) return lacking(COUNT_HEADER);
  if (answer.headers[DIGEST_HEADER] === undefined) return lacking(DIGEST_HEADER);
  const parsed = parseBlocklist(answer.text);
  if (parsed.kind === 'invalid') return refused('entry', `the list is not taken: ${parsed.detail}`);
  if (parsed.list.size !== count) {
    return refused('count', `the list has ${parsed.list.size} entries where ${COUNT_HEADER} says ${count}`);
  }
  return { kind: 'list', revision, etag: answer.headers.etag ?? '', list: parsed.list, remote: answer.remote };
}

export async function pullChanges(hub: Hub, since: number, signal?: AbortSignal): Promise<ChangesAnswer> {
  const path = `/api/v1/blocklist/changes?since=${since}`;
  const answer = await askHub(hub, { path, type: 'application/json', signal });
  if (answer.kind === 'refused') return answer;
  const body = parseJson(answer.text);
  if (body === undefined) return refused('json', 'the changes are no JSON object');
  const revision = wholeNumber(body.revision);
  if (revision !== undefined && body.reset === true) return { kind: 'reset' };
  const count = wholeNumber(answer.headers[COUNT_HEADER]);
  if (count === undefined) return lacking(COUNT_HEADER);
  if (revision === undefined || revision < since || body.since !== since) {
    return refused('json', 'the changes are not those that were asked for');
  }
  const add = addressesIn(body.add);
  if (add.kind === 'refused') return add;
  const remove = addressesIn(body.remove);
  if (remove.kind === 'refused') return remove;
  const lifted = addressesIn(body.lifted ?? []);
  if (lifted.kind === 'refused') return lifted;
  return {
    kind: 'changes',
    since,
    revision,
    count,
    add: add.addresses,
    remove: remove.addresses,
    lifted: lifted.addresses,
  };
}

function lacking(header: string): Refused {
  return refused('headers', `the answer has no valid ${header} header: is that the hub?`);
}

function addressesIn(value: unknown): { kind: 'addresses'; addresses: Address[] } | Refused {
  if (!Array.isArray(value)) return refused('json', 'the changes lack a list of addresses');
  const addresses: Address[] = [];
  for (const item of value) {
    const address = typeof item === 'string' ? canonicalAddress(item) : undefined;
    if (!address) {
      return refused('entry', `the changes hold what is no address in canonical form: ${shown(String(item))}`);
    }
    addresses.push(address);
  }
  return { kind: 'addresses', addresses };
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
