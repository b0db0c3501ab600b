// Store: from rows to words and back, in one place. snake_case ends here.
import { type Address, addressOf, rangeOf } from '../core/address.ts';
import type { Ban, Claim, Position } from '../core/words.ts';
import type { BanRow, ClaimRow, RevisionRow } from './tables.ts';

export function banOf(row: Omit<BanRow, 'address' | 'range_start' | 'range_end'>): Ban {
  return {
    published: row.published === 1,
    publishedAt: row.published_at,
    endsAt: row.ends_at,
    hosts: row.hosts,
    jails: jailsOf(row.jails),
    lastBannedAt: row.last_banned_at,
    liftedAt: row.lifted_at,
    dueAt: row.due_at,
  };
}

export function banRowOf(address: Address, ban: Ban): BanRow {
  const range = rangeOf(address);
  return {
    address: address.text,
    range_start: range.start,
    range_end: range.end,
    published: ban.published ? 1 : 0,
    published_at: ban.publishedAt,
    ends_at: ban.endsAt,
    hosts: ban.hosts,
    jails: ban.jails.join('\n'),
    last_banned_at: ban.lastBannedAt,
    lifted_at: ban.liftedAt,
    due_at: ban.dueAt,
  };
}

export function claimOf(row: ClaimRow): Claim {
  return {
    sourceId: row.source_id,
    jail: row.jail,
    bannedAt: row.banned_at,
    endsAt: row.ends_at,
    failures: row.failures,
  };
}

export function claimRowOf(address: Address, claim: Claim): ClaimRow {
  return {
    address: address.text,
    source_id: claim.sourceId,
    jail: claim.jail,
    banned_at: claim.bannedAt,
    ends_at: claim.endsAt,
    failures: claim.failures,
  };
}

export function positionOf(row: RevisionRow): Position {
  return {
    revision: row.revision,
    logPosition: row.log_position,
    changedAt: row.changed_at,
    changesFloor: row.changes_floor,
    hostsVersion: row.hosts_version,
    allowlistVersion: row.allowlist_version,
  };
}

export function addressOrNull(text: string | null): Address | null {
  return text === null ? null : addressOf(text);
}

function jailsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split('\n');
}
