// Dedupe: how a claim begins, is repeated, and ends. Pure; the ban that follows is judged afterwards.
import type { AddressState, Ban, Claim } from '../core/words.ts';
import { isAfter } from './judge.ts';

export type ClaimStep =
  | { kind: 'recorded'; state: AddressState }
  | { kind: 'unchanged' }
  | { kind: 'refused'; reason: 'lifted' | 'expired' };

/**
 * Adds or renews a claim. A later ban replaces an earlier one, a longer one a shorter one of the same moment, and
 * anything else changes nothing: so repeats and any order of arrival come to the same. Refused: a claim that has
 * already ended, and one that began before the address was lifted.
 */
export function putClaim(state: AddressState, claim: Claim, now: number): ClaimStep {
  const liftedAt = state.ban?.liftedAt ?? null;
  if (liftedAt !== null && claim.bannedAt <= liftedAt) return { kind: 'refused', reason: 'lifted' };
  if (!isAfter(claim.endsAt, now)) return { kind: 'refused', reason: 'expired' };
  const known = state.claims.find((other) => sameKey(other, claim));
  if (known && !supersedes(claim, known)) return { kind: 'unchanged' };
  const others = state.claims.filter((other) => other !== known);
  return { kind: 'recorded', state: { ...state, claims: [...others, claim] } };
}

/**
 * Ends one source's claim for one jail, and no other. `until`: only if it began by then; null for whenever. So an unban
 * that was overtaken by a newer ban does not end that.
 */
export function endClaim(
  state: AddressState,
  key: { sourceId: number; jail: string },
  until: number | null,
): ClaimStep {
  const claims = state.claims.filter((claim) => !sameKey(claim, key) || (until !== null && claim.bannedAt > until));
  if (claims.length === state.claims.length) return { kind: 'unchanged' };
  return { kind: 'recorded', state: { ...state, claims } };
}

/** Voids every claim there is, and any that comes later and began at or before `at`. */
export function lift(state: AddressState, at: number): AddressState {
  const liftedAt = Math.max(at, ...state.claims.map((claim) => claim.bannedAt));
  const ban: Ban = { ...(state.ban ?? NOTHING), liftedAt };
  return { ...state, ban };
}

const NOTHING: Ban = {
  published: false,
  publishedAt: null,
  endsAt: null,
  hosts: 0,
  jails: [],
  lastBannedAt: 0,
  liftedAt: null,
  dueAt: null,
};

function supersedes(claim: Claim, known: Claim): boolean {
  return claim.bannedAt === known.bannedAt ? isAfter(claim.endsAt, known.endsAt) : claim.bannedAt > known.bannedAt;
}

function sameKey(a: { sourceId: number; jail: string }, b: { sourceId: number; jail: string }): boolean {
  return a.sourceId === b.sourceId && a.jail === b.jail;
}
