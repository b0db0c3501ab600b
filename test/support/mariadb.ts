// A private MariaDB for the tests: own port, socket and data folder, fully durable, removed at the end.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { until } from './until.ts';

export interface MariaDb {
  readonly port: number;
  /** Makes an empty database and returns its URL, over TCP or the Unix socket. */
  createDatabase(over?: 'tcp' | 'socket'): Promise<string>;
  /** Ends the server as a crash would, or properly. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts it again on the same data. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export async function startMariaDb(): Promise<MariaDb> {
  const folder = mkdtempSync(join(tmpdir(), 'banhub-mariadb-'));
  spawnSync('chown', ['mysql:', folder]);
  const port = await freePort();
  const installed = spawnSync(
    'mariadb-install-db',
    ['--no-defaults', '--user=mysql', `--datadir=${folder}/data`, '--auth-root-authentication-method=normal'],
    { encoding: 'utf8' },
  );
  if (installed.status !== 0) throw new Error(`mariadb-install-db: ${installed.stderr}${installed.stdout}`);
  let server = await start(folder, port);
  let databases = 0;

  const database: MariaDb = {
    port,
    async createDatabase(over = 'tcp') {
      const name = `banhub_${++databases}`;
      const connection = await connect(port);
      await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
      await connection.end();
      return over === 'tcp'
        ? `mysql://root@127.0.0.1:${port}/${name}`
        : `mysql://root@localhost/${name}?socketPath=${folder}/socket`;
    },
    async kill(signal) {
      const ended = once(server, 'exit');
      server.kill(signal);
      await ended;
    },
    async restart() {
      server = await start(folder, port);
    },
    async remove() {
      if (server.exitCode === null && server.signalCode === null) await database.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return database;
}

async function start(folder: string, port: number): Promise<ChildProcess> {
  const server = spawn(
    'mariadbd',
    [
      '--no-defaults',
      '--user=mysql',
      `--datadir=${folder}/data`,
      `--socket=${folder}/socket`,
      `--pid-file=${folder}/pid`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      '--innodb-flush-log-at-trx-commit=1',
      '--innodb-buffer-pool-size=256M',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  server.stderr?.on('data', (chunk) => {
    log += chunk;
  });
  await until(
    async () => {
      if (server.exitCode !== null) throw new Error(`mariadbd ended: ${log}`);
      const connection = await connect(port).catch(() => undefined);
      await connection?.end();
      return connection !== undefined;
    },
    { what: 'MariaDB answers', seconds: 60 },
  );
  return server;
}

function connect(port: number) {
  return createConnection({ host: '127.0.0.1', port, user: 'root' });
}

/** A TCP port of 127.0.0.1 that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
