// Store: the embedded engine. One file, one connection, every commit on disk before it returns.
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { type Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement, sql } from 'kysely';
import { AppError } from '../../core/app-error.ts';
import type { Engine } from '../engine.ts';
import type { Tables } from '../tables.ts';

/** Prepared statements kept. Batches make many of them: one for each number of rows. */
const STATEMENTS = 500;

/** Opens (and creates) the SQLite database at `path`; `:memory:` for none on disk. */
export function openSqlite(path: string): Engine {
  const database = openFile(path);
  // Waiting for another process's lock blocks this one; so wait briefly here, and again where others may go on.
  database.pragma('busy_timeout = 50');

  return {
    name: 'sqlite',
    location: `SQLite, ${path === ':memory:' ? path : resolve(path)}`,
    dialect: new SqliteDialect({ database: withStatementCache(database) }),

    overwrite: (key, columns) =>
      sql`ON CONFLICT (${sql.join(key.map((column) => sql.ref(column)))}) DO UPDATE SET ${sql.join(
        columns.map((column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`),
      )}`,

    async withMigrationLock(db: Kysely<Tables>, work) {
      await db.connection().execute(async (connection) => {
        await sql`BEGIN IMMEDIATE`.execute(connection);
        try {
          await work(connection);
          await sql`COMMIT`.execute(connection);
        } catch (error) {
          await sql`ROLLBACK`.execute(connection);
          throw error;
        }
      });
    },

    mayRetry: (error) => codeOf(error).startsWith('SQLITE_BUSY'),

    isUnavailable: (error) => /^SQLITE_(BUSY|FULL|IOERR|READONLY|CANTOPEN|LOCKED)/.test(codeOf(error)),
  };
}

/** Kysely prepares each query anew, which costs more than running most of ours does. The least recently used go. */
function withStatementCache(database: Database.Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    prepare(text) {
      const statement = statements.get(text) ?? (database.prepare(text) as SqliteStatement);
      statements.delete(text);
      statements.set(text, statement);
      const oldest = statements.size > STATEMENTS ? statements.keys().next().value : undefined;
      if (oldest !== undefined) statements.delete(oldest);
      return statement;
    },
    close: () => void database.close(),
  };
}

function openFile(path: string): Database.Database {
  try {
    if (path !== ':memory:') mkdirSync(dirname(resolve(path)), { recursive: true, mode: 0o700 });
    const database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    return database;
  } catch (cause) {
    throw new AppError('unavailable', `cannot open the SQLite database ${path}`, { cause });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Database.SqliteError ? error.code : '';
}
