// Dedupe: many claims, one ban. Claims for one address go in, what they come to now comes out. Pure.
import { ADMINISTRATORS, type AddressState, type Ban, type Claim, type Reason } from '../core/words.ts';

/** How many different hosts must claim an address before it is published. */
export interface Quorum {
  readonly default: number;
  /** For claims of these jails instead; the lowest number among an address's jails counts. */
  readonly byJail: ReadonlyMap<string, number>;
}

export interface Circumstances {
  readonly now: number;
  readonly quorum: Quorum;
  /** Why the address may not be published now, whatever its claims. */
  readonly against: Reason | undefined;
}

/**
 * The state as it is now: claims that ended or were lifted are gone, and the ban says what the rest come to. A ban
 * stands while enough hosts claim the address (an administrator's claim is enough by itself) and nothing speaks
 * against it; it ends when that stops being so. Judging twice changes nothing, and an unchanged part is the same
 * object as before.
 */
export function judge(state: AddressState, circumstances: Circumstances): AddressState {
  const { now, against } = circumstances;
  const liftedAt = state.ban?.liftedAt ?? null;
  const standing = state.claims.filter(
    (claim) => isAfter(claim.endsAt, now) && (liftedAt === null || claim.bannedAt > liftedAt),
  );
  const claims = standing.length === state.claims.length ? state.claims : standing;
  const ban = banFrom(claims, liftedAt, state.ban, circumstances.quorum, now, against);
  const same = state.ban && ban && sameBan(state.ban, ban);
  return { address: state.address, claims, ban: same ? state.ban : ban };
}

function banFrom(
  claims: readonly Claim[],
  liftedAt: number | null,
  before: Ban | undefined,
  quorum: Quorum,
  now: number,
  against: Reason | undefined,
): Ban | undefined {
  if (claims.length === 0 && liftedAt === null) return undefined;
  const held = heldUntil(claims, quorum);
  const published = held !== undefined && against === undefined;
  const lastBannedAt = claims.reduce((latest, claim) => Math.max(latest, claim.bannedAt), 0);
  const ends = claims.flatMap((claim) => (claim.endsAt === null ? [] : [claim.endsAt]));
  return {
    published,
    publishedAt: published ? (before?.publishedAt ?? now) : null,
    endsAt: published ? held.until : null,
    hosts: new Set(claims.filter(isHosts).map((claim) => claim.sourceId)).size,
    jails: [...new Set(claims.map((claim) => claim.jail))].sort(),
    lastBannedAt: claims.length > 0 ? lastBannedAt : (before?.lastBannedAt ?? 0),
    liftedAt,
    dueAt: ends.length > 0 ? Math.min(...ends) : null,
  };
}

/**
 * Until when the claims together reach the quorum; undefined when they do not. Claims only ever fall away, so going
 * from the last to end to the first, the one that completes a quorum is the one whose end breaks it.
 */
function heldUntil(claims: readonly Claim[], quorum: Quorum): { until: number | null } | undefined {
  const hosts = new Set<number>();
  let needed = Number.POSITIVE_INFINITY;
  for (const claim of [...claims].sort((a, b) => compareEnds(b.endsAt, a.endsAt))) {
    if (!isHosts(claim)) return { until: claim.endsAt };
    hosts.add(claim.sourceId);
    needed = Math.min(needed, quorum.byJail.get(claim.jail) ?? quorum.default);
    if (hosts.size >= needed) return { until: claim.endsAt };
  }
  return undefined;
}

function isHosts(claim: Claim): boolean {
  return claim.sourceId !== ADMINISTRATORS;
}

/** Whether one end is later than another; null is for ever. */
export function isAfter(end: number | null, other: number | null): boolean {
  return compareEnds(end, other) > 0;
}

function compareEnds(a: number | null, b: number | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  return b === null ? -1 : a - b;
}

function sameBan(a: Ban, b: Ban): boolean {
  return (
    a.published === b.published &&
    a.publishedAt === b.publishedAt &&
    a.endsAt === b.endsAt &&
    a.hosts === b.hosts &&
    a.jails.join('\n') === b.jails.join('\n') &&
    a.lastBannedAt === b.lastBannedAt &&
    a.liftedAt === b.liftedAt &&
    a.dueAt === b.dueAt
  );
}
