// Dedupe: what administrators and the passing of time do to the blocklist: ban by hand, lift, allow, expire.
import type { Address } from '../core/address.ts';
import { AppError } from '../core/app-error.ts';
import { ADMINISTRATORS, type AllowlistEntry, BY_HAND, type Host, type Outcome, type Reason } from '../core/words.ts';
import type { HistoryEntry, WriteTransaction } from '../store/write-transaction.ts';
import { lift, putClaim } from './claims.ts';
import type { Editor } from './editor.ts';

/** Addresses a transaction, when many end together. */
const EXPIRY_STEP = 1_000;

/** Whoever did it, for history: the host that the admin token belongs to. */
export type Actor = Pick<Host, 'id' | 'name'>;

export interface BanByHand {
  readonly address: Address;
  readonly reason: string;
  /** In milliseconds; null for ever. */
  readonly bantime: number | null;
}

/**
 * Bans an address on an administrator's word alone, whatever the quorum. Doing it again replaces how long.
 * @throws AppError `refused`, with the reason, for an address that must not be banned.
 */
export async function banByHand(
  editor: Editor,
  actor: Actor,
  order: BanByHand,
): Promise<{ outcome: Outcome; revision: number }> {
  const { result, revision } = await editor.edit(prepareNothing, async ({ tx, ledger }) => {
    const { address } = order;
    const refusal = ledger.against(address);
    if (refusal) return { refusal };
    await ledger.open([address]);
    const endsAt = order.bantime === null ? null : tx.now + order.bantime;
    const claim = { sourceId: ADMINISTRATORS, jail: BY_HAND, bannedAt: tx.now, endsAt, failures: 0 };
    const before = ledger.state(address);
    const step = putClaim(before, claim, tx.now);
    if (step.kind === 'refused') return { refusal: step.reason };
    const outcome: Outcome = before.ban?.published ? 'claimed' : 'banned';
    if (step.kind === 'recorded') ledger.put(step.state);
    await ledger.close();
    await tx.record([
      { ...blankEntry(actor, 'ban', address), endsAt, bannedAt: tx.now, outcome, matches: order.reason },
    ]);
    return { outcome };
  });
  if (result.refusal) throw refusedAddress(order.address, result.refusal);
  return { outcome: result.outcome ?? 'banned', revision };
}

/**
 * Removes a ban everywhere and voids every claim that began before now; with `allow`, adds an allowlist entry in the
 * same transaction. @throws AppError `not_found` when nothing is known of exactly this address.
 */
export async function liftBan(
  editor: Editor,
  actor: Actor,
  address: Address,
  allow?: { readonly comment: string; readonly duration: number },
): Promise<{ outcome: Outcome; revision: number }> {
  const { result, revision } = await editor.edit(
    async (tx) => {
      if (!allow) return [];
      const endsAt = tx.now + allow.duration;
      await tx.allowUntil({ address, comment: allow.comment, addedBy: actor.name, addedAt: tx.now, endsAt });
      return tx.touching(address);
    },
    async ({ tx, ledger }, touched) => {
      await ledger.open([address, ...touched]);
      const state = ledger.state(address);
      if (!allow && state.claims.length === 0) return false;
      ledger.put(lift(state, tx.now));
      await ledger.close();
      await tx.record([{ ...blankEntry(actor, 'lift', address), outcome: 'lifted', matches: allow?.comment ?? null }]);
      return true;
    },
  );
  if (!result) throw new AppError('not_found', `${address.text} is not banned`, { field: 'address' });
  return { outcome: 'lifted', revision };
}

/** Adds an allowlist entry, or replaces the one for the same address; unpublishes what it covers at once. */
export function allow(editor: Editor, entry: Omit<AllowlistEntry, 'addedAt'>): Promise<{ revision: number }> {
  return editor.edit(
    async (tx) => {
      await tx.allow({ ...entry, addedAt: tx.now });
      return tx.touching(entry.address);
    },
    async ({ ledger }, touched) => {
      await ledger.open(touched);
      await ledger.close();
    },
  );
}

/**
 * Removes an allowlist entry; publishes what claims still stand for. @throws AppError `not_found` when there is none.
 */
export async function disallow(editor: Editor, address: Address): Promise<{ revision: number }> {
  const { result, revision } = await editor.edit(
    async (tx) => ((await tx.disallow(address)) ? await tx.touching(address) : undefined),
    async ({ ledger }, touched) => {
      if (!touched) return false;
      await ledger.open(touched);
      await ledger.close();
      return true;
    },
  );
  if (!result) throw new AppError('not_found', `${address.text} is not on the allowlist`, { field: 'address' });
  return { revision };
}

/** Ends what has ended by now: claims, the bans that stood on them, and allowlist entries. */
export async function expire(editor: Editor): Promise<void> {
  for (let more = true; more; ) {
    const { result } = await editor.edit(
      async (tx) => {
        const ended = await tx.expireAllowlist();
        return (await Promise.all(ended.map((address) => tx.touching(address)))).flat();
      },
      async ({ tx, ledger }, touched) => {
        const due = await tx.due(EXPIRY_STEP);
        await ledger.open([...due, ...touched]);
        await ledger.close();
        return due.length === EXPIRY_STEP;
      },
    );
    more = result;
  }
}

async function prepareNothing(_tx: WriteTransaction): Promise<void> {}

function refusedAddress(address: Address, reason: Reason): AppError {
  return new AppError('refused', `${address.text} must not be banned: ${reason}`, { field: 'address', reason });
}

function blankEntry(actor: Actor, action: HistoryEntry['action'], address: Address): HistoryEntry {
  return {
    sourceId: actor.id,
    action,
    address,
    jail: BY_HAND,
    failures: 0,
    bannedAt: null,
    endsAt: null,
    restored: false,
    outcome: '',
    reason: null,
    matches: null,
  };
}
