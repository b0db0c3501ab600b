// Words: what the hub speaks of. Times are milliseconds since 1970; an end of null means "for ever".
import type { Address } from './address.ts';

/** Returns now, in milliseconds since 1970. Passed in everywhere, so that tests set the time. */
export type Clock = () => number;

/** The source of bans by hand; the first row of `sources` in every database. */
export const ADMINISTRATORS = 1;

/** Stands where a jail's name stands otherwise, in bans by hand. */
export const BY_HAND = 'by-hand';

export type Scope = 'report' | 'pull' | 'admin';

/** One source's standing assertion that an address is bad. Its key is source + jail + address. */
export interface Claim {
  readonly sourceId: number;
  readonly jail: string;
  readonly bannedAt: number;
  readonly endsAt: number | null;
  readonly failures: number;
}

/** What the claims for an address come to. It is on the blocklist while `published`. */
export interface Ban {
  readonly published: boolean;
  /** Since when it is published; null when it is not. */
  readonly publishedAt: number | null;
  /** When it leaves the blocklist if nothing more happens. */
  readonly endsAt: number | null;
  /** How many different hosts claim it. */
  readonly hosts: number;
  /** Jails with a standing claim, sorted. */
  readonly jails: readonly string[];
  readonly lastBannedAt: number;
  /** Claims that began at or before this moment are void for ever. */
  readonly liftedAt: number | null;
  /** When the next claim ends, so that this must be judged again. */
  readonly dueAt: number | null;
}

/** An address on the blocklist. */
export interface PublishedBan {
  readonly address: Address;
  readonly ban: Ban;
}

/** Everything known of one address. Without claims and without a lift there is no ban. */
export interface AddressState {
  readonly address: Address;
  readonly ban: Ban | undefined;
  readonly claims: readonly Claim[];
}

/** Why an address may not be banned, or a report was not taken. */
export type Reason =
  | 'unspecified'
  | 'loopback'
  | 'link_local'
  | 'multicast'
  | 'broadcast'
  | 'documentation'
  | 'private'
  | 'shared'
  | 'too_wide'
  | 'allowlisted'
  | 'contains_allowlisted'
  | 'own_host'
  | 'contains_own_host'
  | 'lifted'
  | 'expired';

/** One message from a host: ban or unban, parsed. */
export type Report = BanReport | UnbanReport;

export interface BanReport {
  readonly action: 'ban';
  readonly address: Address;
  readonly jail: string;
  readonly failures: number;
  /** When the host banned it; null when the report does not say. */
  readonly time: number | null;
  /** How long, in milliseconds; -1 for ever; null when the report does not say. */
  readonly bantime: number | null;
  /** The host's fail2ban restored it from its own database after a restart. */
  readonly restored: boolean;
  /** Matched log lines, cut. */
  readonly matches: string | null;
}

export interface UnbanReport {
  readonly action: 'unban';
  readonly address: Address;
  readonly jail: string;
  /** When the ban began that it ends; null when the report does not say. */
  readonly time: number | null;
}

/**
 * What came of a report. `banned`: the address entered the blocklist with it. `claimed`: recorded, the blocklist is
 * as before. `unbanned`: the claim ended and the address left the blocklist. `released`: the claim ended, others
 * still hold. `unchanged`: nothing to do. `lifted`: an administrator removed it. `refused`: see the reason.
 */
export type Outcome = 'banned' | 'claimed' | 'unbanned' | 'released' | 'unchanged' | 'lifted' | 'refused';

/**
 * How the blocklist changed. `lift`: removed by an administrator. `void`: lifted while it was claimed but not listed.
 * `update`: who claims a listed ban, or until when; of no concern to who only enforces.
 */
export type ChangeKind = 'add' | 'remove' | 'lift' | 'void' | 'update';

export interface Change {
  readonly address: Address;
  readonly kind: ChangeKind;
  readonly revision: number;
  /** The ban as it stands; undefined once it is gone. */
  readonly ban: Ban | undefined;
}

/** The state of the whole list, kept in one row that each writing transaction changes first. */
export interface Position {
  readonly revision: number;
  readonly logPosition: number;
  /** When the blocklist last changed. */
  readonly changedAt: number;
  /** Changes at or below this revision may be gone from the log. */
  readonly changesFloor: number;
  readonly hostsVersion: number;
  readonly allowlistVersion: number;
}

/** What one writing transaction did, in the order of the log. */
export interface Commit {
  readonly position: Position;
  readonly changes: readonly Change[];
}

export interface AllowlistEntry {
  readonly address: Address;
  readonly comment: string;
  readonly addedBy: string;
  readonly addedAt: number;
  readonly endsAt: number | null;
}

/** A machine of the fleet. */
export interface Host {
  readonly id: number;
  readonly name: string;
  readonly addedAt: number;
  readonly revokedAt: number | null;
  /** Where it last spoke from, per family; null before that. */
  readonly lastIpv4: Address | null;
  readonly lastIpv6: Address | null;
}

/** A token's right to speak for a host. The token itself is nowhere: only its SHA-256. */
export interface Credential {
  readonly hash: string;
  readonly host: Host;
  readonly scopes: readonly Scope[];
}
