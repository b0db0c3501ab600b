// Bench, floor: single-row transactions, each durable before the next, with nothing around them.
import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { createConnection } from 'mysql2/promise';
import { addressAt } from '../addresses.ts';

const COLUMNS =
  '(address VARCHAR(49) PRIMARY KEY, source_id BIGINT, jail VARCHAR(64), banned_at BIGINT, ends_at BIGINT)';
const INSERT = 'INSERT INTO floor VALUES (?, 2, ?, ?, ?)';

export interface BareCommits {
  readonly commits: number;
  /** Milliseconds. */
  readonly elapsed: number;
}

/** One connection for each client, each committing row after row. */
export async function commitToMariaDb(url: string, clients: number, seconds: number): Promise<BareCommits> {
  const connections = await Promise.all(Array.from({ length: clients }, () => createConnection(url)));
  await connections[0]?.query('DROP TABLE IF EXISTS floor');
  await connections[0]?.query(`CREATE TABLE floor ${COLUMNS} ENGINE=InnoDB DEFAULT CHARSET=ascii`);
  let commits = 0;
  const start = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < start + seconds * 1_000) {
        await connection.execute(INSERT, rowFor(commits++));
      }
    }),
  );
  const elapsed = performance.now() - start;
  await Promise.all(connections.map((connection) => connection.end()));
  return { commits, elapsed };
}

/** With the settings that the hub opens SQLite with. */
export function commitToSqlite(path: string, seconds: number): BareCommits {
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec(`CREATE TABLE floor ${COLUMNS}`);
    const insert = database.prepare(INSERT);
    let commits = 0;
    const start = performance.now();
    while (performance.now() < start + seconds * 1_000) insert.run(...rowFor(commits++));
    return { commits, elapsed: performance.now() - start };
  } finally {
    database.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  }
}

function rowFor(index: number): [string, string, number, number] {
  return [addressAt(index), 'sshd', Date.now(), Date.now() + 604_800_000];
}
