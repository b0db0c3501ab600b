// Store: writes what differs between two states of many addresses: their claims and their bans.
import type { Kysely } from 'kysely';
import type { Address } from '../core/address.ts';
import type { AddressState, ChangeKind, Claim } from '../core/words.ts';
import { chunks } from './chunks.ts';
import type { Engine } from './engine.ts';
import { banRowOf, claimRowOf } from './rows.ts';
import type { Tables } from './tables.ts';

/** How one address changed: what was loaded, what it became, and what that means for the blocklist. */
export interface StateChange {
  readonly before: AddressState;
  readonly after: AddressState;
  readonly kind: ChangeKind | undefined;
}

interface AddressClaim {
  readonly address: Address;
  readonly claim: Claim;
}

/** Within a write transaction. An unchanged claim or ban must be the same object before and after. */
export async function saveStates(db: Kysely<Tables>, engine: Engine, states: readonly StateChange[]): Promise<void> {
  const ended: AddressClaim[] = [];
  const begun: AddressClaim[] = [];
  for (const { before, after } of states) {
    const { address } = after;
    const kept = new Set(after.claims.map(keyOf));
    for (const claim of before.claims) if (!kept.has(keyOf(claim))) ended.push({ address, claim });
    const known = new Set(before.claims);
    for (const claim of after.claims) if (!known.has(claim)) begun.push({ address, claim });
  }
  await deleteClaims(db, ended);
  await writeClaims(db, engine, begun);
  await writeBans(
    db,
    engine,
    states.filter(({ before, after }) => before.ban !== after.ban),
  );
}

async function deleteClaims(db: Kysely<Tables>, ended: readonly AddressClaim[]): Promise<void> {
  for (const chunk of chunks(ended)) {
    await db
      .deleteFrom('claims')
      .where((where) =>
        where.or(
          chunk.map(({ address, claim }) =>
            where.and([
              where('address', '=', address.text),
              where('source_id', '=', claim.sourceId),
              where('jail', '=', claim.jail),
            ]),
          ),
        ),
      )
      .execute();
  }
}

async function writeClaims(db: Kysely<Tables>, engine: Engine, claims: readonly AddressClaim[]): Promise<void> {
  for (const chunk of chunks(claims)) {
    await db
      .insertInto('claims')
      .values(chunk.map(({ address, claim }) => claimRowOf(address, claim)))
      .modifyEnd(engine.overwrite(['address', 'source_id', 'jail'], ['banned_at', 'ends_at', 'failures']))
      .execute();
  }
}

async function writeBans(db: Kysely<Tables>, engine: Engine, states: readonly StateChange[]): Promise<void> {
  const gone = states.filter(({ after }) => !after.ban).map(({ after }) => after.address.text);
  for (const texts of chunks(gone)) await db.deleteFrom('bans').where('address', 'in', texts).execute();
  const rows = states.flatMap(({ after }) => (after.ban ? [banRowOf(after.address, after.ban)] : []));
  const columns = ['published', 'published_at', 'ends_at', 'hosts', 'jails', 'last_banned_at', 'lifted_at', 'due_at'];
  for (const chunk of chunks(rows)) {
    await db
      .insertInto('bans')
      .values(chunk)
      .modifyEnd(engine.overwrite(['address'], columns))
      .execute();
  }
}

function keyOf(claim: Claim): string {
  return `${claim.sourceId} ${claim.jail}`;
}
