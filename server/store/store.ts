// Store: a database, opened and migrated. The only folder that speaks SQL; everything else passes words in and out.
import { Kysely } from 'kysely';
import { AppError } from '../core/app-error.ts';
import type { Clock, Commit } from '../core/words.ts';
import { BanQueries } from './ban-queries.ts';
import type { Engine } from './engine.ts';
import { openMysql } from './engines/mysql.ts';
import { openSqlite } from './engines/sqlite.ts';
import { FleetQueries } from './fleet-queries.ts';
import { LogQueries } from './log-queries.ts';
import { migrate } from './migrate.ts';
import type { Tables } from './tables.ts';
import { transact } from './transact.ts';
import { WriteTransaction } from './write-transaction.ts';

/** For how long a transaction is tried again that others got in the way of, and the longest pause. In milliseconds. */
const PATIENCE = 5_000;
const MAX_PAUSE = 500;

export interface StoreOptions {
  /** `sqlite:PATH` or `mysql://user:password@host:3306/database`. */
  readonly url: string;
  /** The folder that holds `sqlite/` and `mysql/`. */
  readonly sqlFolder: string;
  readonly clock: Clock;
}

export class Store {
  readonly bans: BanQueries;
  readonly fleet: FleetQueries;
  readonly log: LogQueries;
  readonly #db: Kysely<Tables>;
  readonly #engine: Engine;
  readonly #options: StoreOptions;
  #isWritable = true;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#engine = openEngine(options.url);
    this.#db = new Kysely<Tables>({ dialect: this.#engine.dialect });
    const read = <Result>(query: (db: Kysely<Tables>) => Promise<Result>) => this.#guard(() => query(this.#db));
    this.bans = new BanQueries(read);
    this.fleet = new FleetQueries(read);
    this.log = new LogQueries(read);
  }

  /** Where the data is, fit to show. */
  get location(): string {
    return this.#engine.location;
  }

  /** Brings the database to this program's version; the names of the migrations that were missing. */
  migrate(): Promise<string[]> {
    return this.#retry(() => migrate(this.#db, this.#engine, this.#options));
  }

  /**
   * Runs `work` in a transaction that holds the revision row: no other write, of this hub or another, happens between
   * what it reads and its commit. `work` may run more than once (a deadlock or a certification failure undoes it
   * wholly) and must have no effect but through `tx`. When this resolves, the commit is durable.
   * @throws AppError `unavailable` when the database cannot be written.
   */
  async write<Result>(work: (tx: WriteTransaction) => Promise<Result>): Promise<{ result: Result; commit: Commit }> {
    try {
      const written = await this.#retry(() => this.#writeOnce(work));
      this.#isWritable = true;
      return written;
    } catch (error) {
      if (error instanceof AppError && error.code === 'unavailable') this.#isWritable = false;
      throw error;
    }
  }

  /** Whether the last transaction found the database there and writable. */
  get isWritable(): boolean {
    return this.#isWritable;
  }

  close(): Promise<void> {
    return this.#db.destroy();
  }

  #writeOnce<Result>(work: (tx: WriteTransaction) => Promise<Result>): Promise<{ result: Result; commit: Commit }> {
    return transact(this.#db, 'read committed', async (db) => {
      const tx = await WriteTransaction.begin(db, this.#engine, this.#options.clock());
      const result = await work(tx);
      return { result, commit: await tx.finish() };
    });
  }

  #retry<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#guard(async () => {
      const deadline = performance.now() + PATIENCE;
      for (let attempt = 1; ; attempt++) {
        try {
          return await work();
        } catch (error) {
          if (!this.#engine.mayRetry(error) || performance.now() > deadline) throw error;
          await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(5 * 2 ** attempt, MAX_PAUSE)));
        }
      }
    });
  }

  async #guard<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      if (!this.#engine.isUnavailable(cause)) throw cause;
      throw new AppError('unavailable', 'the database does not answer', { cause });
    }
  }
}

function openEngine(url: string): Engine {
  if (url.startsWith('sqlite:')) return openSqlite(url.slice('sqlite:'.length));
  return openMysql(new URL(url));
}
