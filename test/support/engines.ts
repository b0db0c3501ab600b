// Every database story is told twice: on SQLite, and on the tests' own MariaDB.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MariaDb, startMariaDb } from './mariadb.ts';

let shared: Promise<MariaDb> | undefined;
const folders: string[] = [];

/** The MariaDB of this run; started when first asked for. */
export function sharedMariaDb(): Promise<MariaDb> {
  shared ??= startMariaDb();
  return shared;
}

export async function removeDatabases(): Promise<void> {
  await (await shared)?.remove();
  shared = undefined;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** The URL of a new, empty SQLite file. */
export function newSqlite(): string {
  const folder = mkdtempSync(join(tmpdir(), 'banhub-sqlite-'));
  folders.push(folder);
  return `sqlite:${folder}/banhub.db`;
}

/** The URL of a new, empty database in the shared MariaDB, over TCP or its Unix socket. */
export async function newMariaDb(over: 'tcp' | 'socket' = 'tcp'): Promise<string> {
  return (await sharedMariaDb()).createDatabase(over);
}

/** Describes the same stories for both engines; `newDatabase` makes an empty one and returns its URL. */
export function onBothEngines(title: string, stories: (newDatabase: () => Promise<string>) => void): void {
  describe(`${title}, on SQLite`, () => stories(async () => newSqlite()));
  describe(`${title}, on MariaDB`, () => stories(() => newMariaDb()));
}
