// Store: brings a database to this program's version: plain SQL files, in order, once each, forward only.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { AppError } from '../core/app-error.ts';
import type { Clock } from '../core/words.ts';
import type { Engine } from './engine.ts';
import type { Tables } from './tables.ts';

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/**
 * Applies what is missing from `sqlFolder/<engine>`, under a lock, and returns the names applied. Refuses a database
 * that a newer program has migrated: running on would damage what this program does not know of.
 */
export async function migrate(
  db: Kysely<Tables>,
  engine: Engine,
  options: { sqlFolder: string; clock: Clock },
): Promise<string[]> {
  const migrations = readMigrations(join(options.sqlFolder, engine.name));
  const applied: string[] = [];
  await engine.withMigrationLock(db, async (connection) => {
    await sql`CREATE TABLE IF NOT EXISTS schema_migrations
      (number INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL, applied_at BIGINT NOT NULL)`.execute(connection);
    const rows = await connection.selectFrom('schema_migrations').selectAll().orderBy('number').execute();
    const newest = rows.at(-1);
    if (newest && newest.number > migrations.length) {
      throw new AppError(
        'conflict',
        `the database is at version ${newest.number} (${newest.name}), this program knows versions up to ` +
          `${migrations.length}: it was used by a newer Banhub. Start that one, or restore a backup made before the upgrade.`,
      );
    }
    for (const migration of migrations.slice(newest?.number ?? 0)) {
      for (const statement of migration.statements) await sql.raw(statement).execute(connection);
      await connection
        .insertInto('schema_migrations')
        .values({ number: migration.number, name: migration.name, applied_at: options.clock() })
        .execute();
      applied.push(migration.name);
    }
  });
  return applied;
}

function readMigrations(folder: string): Migration[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  return files.map((file, index) => {
    const number = Number(file.slice(0, 3));
    if (number !== index + 1) throw new Error(`${file}: migrations must be numbered without gaps`);
    return {
      number,
      name: file.replace('.sql', ''),
      statements: splitStatements(readFileSync(join(folder, file), 'utf8')),
    };
  });
}

/** Our migrations end each statement with a semicolon at the end of a line, and comment only on whole lines. */
function splitStatements(text: string): string[] {
  const code = text.replace(/^--.*$/gm, '');
  return code
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
