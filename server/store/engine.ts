// Store: all that differs between one database engine and another, and nothing else.
import type { Dialect, Kysely, RawBuilder } from 'kysely';
import type { Tables } from './tables.ts';

/** One kind of database. Each engine's file in `engines/` makes one of these. */
export interface Engine {
  /** The folder of its migrations below `sql/`. */
  readonly name: 'sqlite' | 'mysql';
  /** Where the data is, fit to show: without a password. */
  readonly location: string;
  readonly dialect: Dialect;

  /** The end of an insert (for `modifyEnd`) that makes it overwrite `columns` of a row that has the same key. */
  overwrite(key: readonly string[], columns: readonly string[]): RawBuilder<unknown>;

  /** Runs `work` while no other process migrates this database. */
  withMigrationLock(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void>;

  /** Whether a transaction that failed with this error did nothing and may simply be run again. */
  mayRetry(error: unknown): boolean;

  /** Whether this error means that the database cannot be reached or written now. */
  isUnavailable(error: unknown): boolean;
}
