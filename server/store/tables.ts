// Store: the tables as SQL has them, in snake_case. Nothing outside this folder sees these types.
import type { Generated, Insertable, Selectable } from 'kysely';

export interface Tables {
  sources: { id: Generated<number>; kind: string; name: string };
  hosts: {
    id: number;
    added_at: number;
    revoked_at: number | null;
    last_ipv4: string | null;
    last_ipv6: string | null;
  };
  tokens: {
    id: Generated<number>;
    host_id: number;
    hash: string;
    scopes: string;
    created_at: number;
    revoked_at: number | null;
  };
  claims: {
    address: string;
    source_id: number;
    jail: string;
    banned_at: number;
    ends_at: number | null;
    failures: number;
  };
  bans: {
    address: string;
    range_start: string;
    range_end: string;
    published: number;
    published_at: number | null;
    ends_at: number | null;
    hosts: number;
    jails: string;
    last_banned_at: number;
    lifted_at: number | null;
    due_at: number | null;
  };
  reports: {
    id: Generated<number>;
    received_at: number;
    source_id: number;
    action: string;
    address: string;
    jail: string;
    failures: number;
    banned_at: number | null;
    ends_at: number | null;
    restored: number;
    outcome: string;
    reason: string | null;
    matches: string | null;
    revision: number;
  };
  changes: { log_position: number; address: string; kind: string; revision: number };
  revision: {
    id: number;
    revision: number;
    log_position: number;
    changed_at: number;
    changes_floor: number;
    hosts_version: number;
    allowlist_version: number;
    rules: string;
  };
  allowlist: {
    address: string;
    range_start: string;
    comment: string;
    added_by: string;
    added_at: number;
    ends_at: number | null;
  };
  schema_migrations: { number: number; name: string; applied_at: number };
}

export type BanRow = Selectable<Tables['bans']>;
export type ClaimRow = Selectable<Tables['claims']>;
export type ReportRow = Insertable<Tables['reports']>;
export type RevisionRow = Selectable<Tables['revision']>;
