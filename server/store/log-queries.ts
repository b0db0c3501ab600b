// Store: the published list and the change log, as a hub reads them to keep its copy in memory.
import type { Kysely } from 'kysely';
import { addressOf } from '../core/address.ts';
import type { Change, ChangeKind, Commit, Position, PublishedBan } from '../core/words.ts';
import type { Read } from './read.ts';
import { banOf, positionOf } from './rows.ts';
import type { Tables } from './tables.ts';
import { transact } from './transact.ts';
import type { WriteTransaction } from './write-transaction.ts';

/** Log rows a delete, so that pruning never holds anyone up. */
const PRUNE_STEP = 5_000;

export class LogQueries {
  readonly #read: Read;

  constructor(read: Read) {
    this.#read = read;
  }

  position(): Promise<Position> {
    return this.#read(positionIn);
  }

  /**
   * Calls `take` with every published ban, in the order of lists, and then returns the position that they stand for
   * and the newest `window` log rows: all of one moment.
   */
  loadAll(window: number, take: (ban: PublishedBan) => void): Promise<Commit> {
    return this.#snapshot(async (db) => {
      const bans = db.selectFrom('bans').selectAll().where('published', '=', 1);
      for await (const row of bans.orderBy('range_start').orderBy('range_end', 'desc').stream(1_000)) {
        take({ address: addressOf(row.address), ban: banOf(row) });
      }
      const newest = await selectChanges(db).orderBy('log_position', 'desc').limit(window).execute();
      return newest.reverse().map(changeOf);
    });
  }

  /** What was logged after `logPosition`, oldest first, with the bans as they stand now. */
  async since(logPosition: number): Promise<Commit> {
    const position = await this.position();
    if (position.logPosition === logPosition) return { position, changes: [] };
    return this.#snapshot(async (db) => {
      const rows = await selectChanges(db).where('log_position', '>', logPosition).orderBy('log_position').execute();
      return rows.map(changeOf);
    });
  }

  /** The revision that all but the newest `keep` log rows are at or below; undefined when there are no more. */
  revisionBefore(keep: number): Promise<number | undefined> {
    return this.#read(async (db) => {
      const newest = db.selectFrom('changes').select('revision').orderBy('log_position', 'desc');
      return (await newest.limit(1).offset(keep).executeTakeFirst())?.revision;
    });
  }

  /** Forgets log rows at or below `revision`; true while there may be more. */
  async prune(tx: WriteTransaction, revision: number): Promise<boolean> {
    const rows = await tx.db
      .selectFrom('changes')
      .select('log_position')
      .where('revision', '<=', revision)
      .orderBy('log_position')
      .limit(PRUNE_STEP)
      .execute();
    const last = rows.at(-1);
    if (!last) return false;
    await tx.db.updateTable('revision').set({ changes_floor: revision }).execute();
    await tx.db
      .deleteFrom('changes')
      .where('log_position', '<=', last.log_position)
      .where('revision', '<=', revision)
      .execute();
    return rows.length === PRUNE_STEP;
  }

  /** Runs `query` so that it and the position are of one moment. */
  #snapshot(query: (db: Kysely<Tables>) => Promise<Change[]>): Promise<Commit> {
    return this.#read((db) =>
      transact(db, 'repeatable read', async (snapshot) => {
        const position = await positionIn(snapshot);
        return { position, changes: await query(snapshot) };
      }),
    );
  }
}

async function positionIn(db: Kysely<Tables>): Promise<Position> {
  return positionOf(await db.selectFrom('revision').selectAll().executeTakeFirstOrThrow());
}

function selectChanges(db: Kysely<Tables>) {
  return db
    .selectFrom('changes')
    .leftJoin('bans', 'bans.address', 'changes.address')
    .select([
      'changes.log_position',
      'changes.address',
      'changes.kind',
      'changes.revision',
      'bans.published',
      'bans.published_at',
      'bans.ends_at',
      'bans.hosts',
      'bans.jails',
      'bans.last_banned_at',
      'bans.lifted_at',
      'bans.due_at',
    ]);
}

type ChangeRow = Awaited<ReturnType<ReturnType<typeof selectChanges>['execute']>>[number];

function changeOf(row: ChangeRow): Change {
  const { published, hosts, jails, last_banned_at } = row;
  const gone = published === null || hosts === null || jails === null || last_banned_at === null;
  return {
    address: addressOf(row.address),
    kind: row.kind as ChangeKind,
    revision: row.revision,
    ban: gone ? undefined : banOf({ ...row, published, hosts, jails, last_banned_at }),
  };
}
