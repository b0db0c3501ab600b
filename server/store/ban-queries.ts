// Store: bans, claims and history as administrators search them.
import { type Address, addressOf } from '../core/address.ts';
import type { Ban, Claim, PublishedBan } from '../core/words.ts';
import type { Read } from './read.ts';
import { banOf, claimOf } from './rows.ts';
import { touching } from './touching.ts';
import type { HistoryEntry, WriteTransaction } from './write-transaction.ts';

export interface BanSearch {
  /** Bans that equal, contain or lie inside this address or network. */
  readonly address?: Address | undefined;
  /** Bans that a standing claim of this host (by name) holds. */
  readonly host?: string | undefined;
  /** Bans that a standing claim of this jail holds. */
  readonly jail?: string | undefined;
  readonly limit: number;
  /** The last ban of the page before; the newest ban comes first. */
  readonly after?: { lastBannedAt: number; address: string } | undefined;
}

/** A claim with the name of its source. */
export interface NamedClaim extends Claim {
  readonly source: string;
}

/** A line of history, with the name of its source. */
export interface HistoryLine extends Omit<HistoryEntry, 'sourceId' | 'address'> {
  readonly source: string;
  readonly receivedAt: number;
  /** The revision after it. */
  readonly revision: number;
}

export class BanQueries {
  readonly #read: Read;

  constructor(read: Read) {
    this.#read = read;
  }

  /** Published bans, the last banned first. */
  search(search: BanSearch): Promise<PublishedBan[]> {
    return this.#read(async (db) => {
      let query = db.selectFrom('bans').selectAll().where('published', '=', 1);
      const { address, host, jail, after } = search;
      if (address) query = query.where(touching(address));
      if (host !== undefined || jail !== undefined) {
        query = query.where((where) => {
          let claims = where
            .selectFrom('claims')
            .innerJoin('sources', 'sources.id', 'claims.source_id')
            .select('claims.address')
            .whereRef('claims.address', '=', 'bans.address');
          if (host !== undefined) claims = claims.where('sources.name', '=', host);
          if (jail !== undefined) claims = claims.where('claims.jail', '=', jail);
          return where.exists(claims);
        });
      }
      if (after) {
        query = query.where((where) =>
          where.or([
            where('last_banned_at', '<', after.lastBannedAt),
            where.and([where('last_banned_at', '=', after.lastBannedAt), where('address', '<', after.address)]),
          ]),
        );
      }
      const rows = await query
        .orderBy('last_banned_at', 'desc')
        .orderBy('address', 'desc')
        .limit(search.limit)
        .execute();
      return rows.map((row) => ({ address: addressOf(row.address), ban: banOf(row) }));
    });
  }

  /** What is known of exactly this address, published or not. */
  find(address: Address): Promise<Ban | undefined> {
    return this.#read(async (db) => {
      const row = await db.selectFrom('bans').selectAll().where('address', '=', address.text).executeTakeFirst();
      return row && banOf(row);
    });
  }

  /** The claims for exactly this address, oldest first. */
  claims(address: Address): Promise<NamedClaim[]> {
    return this.#read(async (db) => {
      const rows = await db
        .selectFrom('claims')
        .innerJoin('sources', 'sources.id', 'claims.source_id')
        .selectAll('claims')
        .select('sources.name as source')
        .where('claims.address', '=', address.text)
        .orderBy('claims.banned_at')
        .execute();
      return rows.map((row) => ({ ...claimOf(row), source: row.source }));
    });
  }

  /** The newest lines of history of exactly this address. */
  history(address: Address, limit: number): Promise<HistoryLine[]> {
    return this.#read(async (db) => {
      const rows = await db
        .selectFrom('reports')
        .innerJoin('sources', 'sources.id', 'reports.source_id')
        .selectAll('reports')
        .select('sources.name as source')
        .where('reports.address', '=', address.text)
        .orderBy('reports.id', 'desc')
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        source: row.source,
        receivedAt: row.received_at,
        action: row.action as HistoryLine['action'],
        jail: row.jail,
        failures: row.failures,
        bannedAt: row.banned_at,
        endsAt: row.ends_at,
        restored: row.restored === 1,
        outcome: row.outcome,
        reason: row.reason,
        matches: row.matches,
        revision: row.revision,
      }));
    });
  }

  /** Whether a claim or an allowlist entry has ended that is still counted. */
  anythingDue(now: number): Promise<boolean> {
    return this.#read(async (db) => {
      const due = await db.selectFrom('bans').select('address').where('due_at', '<=', now).limit(1).executeTakeFirst();
      if (due) return true;
      const ended = db.selectFrom('allowlist').select('address').where('ends_at', '<=', now);
      return (await ended.limit(1).executeTakeFirst()) !== undefined;
    });
  }

  /** Forgets up to `limit` lines of history that are older than `before`; true while there may be more. */
  async prune(tx: WriteTransaction, before: number, limit: number): Promise<boolean> {
    const old = await tx.db
      .selectFrom('reports')
      .select('id')
      .where('received_at', '<', before)
      .orderBy('received_at')
      .limit(limit)
      .execute();
    const ids = old.map(({ id }) => id);
    if (ids.length > 0) await tx.db.deleteFrom('reports').where('id', 'in', ids).execute();
    return ids.length === limit;
  }
}
