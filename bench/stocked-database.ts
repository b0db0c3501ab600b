// Bench: databases with a list of a certain length. Stocked once, through a hub; every run gets a copy of its own.
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import type { MariaDb } from '../test/support/mariadb.ts';
import { addressesFrom } from './addresses.ts';
import { enrolHost, startHub } from './hub-process.ts';

/** Reports a request while stocking; the hub takes up to 1,000. */
const BATCH = 1_000;
const WEEK = 604_800;

export interface StockedDatabase {
  /** A host's token that is good in every copy. */
  readonly token: string;
  copy(): Promise<{ url: string; remove(): Promise<void> }>;
}

/** The list holds `addressAt(0)` to `addressAt(size - 1)`. */
export async function stockSqlite(folder: string, size: number): Promise<StockedDatabase> {
  const stock = join(folder, `stock-${size}.db`);
  const token = await stockUp(`sqlite:${stock}`, join(folder, 'stock.log'), size);
  let copies = 0;
  return {
    token,
    async copy() {
      const path = join(folder, `copy-${size}-${++copies}.db`);
      copyFileSync(stock, path);
      return {
        url: `sqlite:${path}`,
        async remove() {
          for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
        },
      };
    },
  };
}

export async function stockMariaDb(mariaDb: MariaDb, folder: string, size: number): Promise<StockedDatabase> {
  const stock = await mariaDb.createDatabase();
  const token = await stockUp(stock, join(folder, 'stock.log'), size);
  return {
    token,
    async copy() {
      const url = await mariaDb.createDatabase();
      // Its own tables, with all that belongs to them; the token goes again when the rows are replaced.
      await enrolHost(url);
      await withConnection(url, (connection) => copyRows(connection, nameIn(stock)));
      return { url, remove: () => withConnection(url, (connection) => dropDatabase(connection, nameIn(url))) };
    },
  };
}

async function stockUp(url: string, log: string, size: number): Promise<string> {
  const token = await enrolHost(url);
  const hub = await startHub({ database: url, log });
  try {
    const time = Math.floor(Date.now() / 1_000);
    for (let first = 0; first < size; first += BATCH) {
      const addresses = addressesFrom(first, Math.min(BATCH, size - first));
      const reports = addresses.map((ip) => ({ action: 'ban', ip, jail: 'sshd', failures: 5, bantime: WEEK, time }));
      const answer = await fetch(`${hub.url}/api/v1/reports`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(reports),
      });
      if (!answer.ok) throw new Error(`stocking: ${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    }
  } finally {
    await hub.stop();
  }
  return token;
}

async function copyRows(connection: Connection, from: string): Promise<void> {
  const [tables] = await connection.query({ sql: `SHOW TABLES FROM ${from}`, rowsAsArray: true });
  await connection.query('SET foreign_key_checks = 0, unique_checks = 0');
  for (const [table] of tables as [string][]) {
    await connection.query(`DELETE FROM ${table}`);
    await connection.query(`INSERT INTO ${table} SELECT * FROM ${from}.${table}`);
  }
}

async function dropDatabase(connection: Connection, name: string): Promise<void> {
  await connection.query(`DROP DATABASE ${name}`);
}

async function withConnection(url: string, work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await createConnection(url);
  try {
    await work(connection);
  } finally {
    await connection.end();
  }
}

function nameIn(url: string): string {
  return new URL(url).pathname.slice(1);
}
