// Store: MySQL, MariaDB, and clusters that speak their protocol.
import { type Kysely, MysqlDialect, sql } from 'kysely';
import { createPool } from 'mysql2';
import type { Engine } from '../engine.ts';
import type { Tables } from '../tables.ts';

const DEADLOCK = 1213;
const LOCK_WAIT_TIMEOUT = 1205;

/** Locked for too long, read-only node, too many connections, shutting down, Galera node not ready, disk full. */
const UNAVAILABLE = new Set([DEADLOCK, LOCK_WAIT_TIMEOUT, 1290, 1836, 1040, 1203, 1053, 1047, 1927, 1021, 1114]);

/** Seconds to wait for a lock: long for us, short for a reporter. The server's default is 50. */
const LOCK_WAIT = 3;

/** Opens a pool to `mysql://user:password@host:3306/database`, or over `?socketPath=…`. Connects when first used. */
export function openMysql(url: URL): Engine {
  const socketPath = url.searchParams.get('socketPath') ?? undefined;
  const database = decodeURIComponent(url.pathname.slice(1));
  const pool = createPool({
    ...(socketPath
      ? { socketPath }
      : { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 3306) }),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database,
    charset: 'utf8mb4_bin',
    connectionLimit: 8,
    connectTimeout: 5_000,
    enableKeepAlive: true,
  });

  pool.on('connection', (connection) => connection.query(`SET SESSION innodb_lock_wait_timeout = ${LOCK_WAIT}`));

  return {
    name: 'mysql',
    location: `MySQL or MariaDB, ${database} at ${socketPath ?? url.host}`,
    dialect: new MysqlDialect({ pool }),

    overwrite: (_key, columns) =>
      sql`ON DUPLICATE KEY UPDATE ${sql.join(
        columns.map((column) => sql`${sql.ref(column)} = VALUES(${sql.ref(column)})`),
      )}`,

    async withMigrationLock(db: Kysely<Tables>, work) {
      await db.connection().execute(async (connection) => {
        const lock = await sql<{ got: number | null }>`SELECT GET_LOCK('banhub_migrations', 60) AS got`.execute(
          connection,
        );
        if (lock.rows[0]?.got !== 1) throw new Error('another process has been migrating this database for a minute');
        try {
          await work(connection);
        } finally {
          await sql`SELECT RELEASE_LOCK('banhub_migrations')`.execute(connection);
        }
      });
    },

    mayRetry: (error) => [DEADLOCK, LOCK_WAIT_TIMEOUT].includes(numberOf(error)),

    isUnavailable: (error) => UNAVAILABLE.has(numberOf(error)) || isConnectionError(error),
  };
}

function numberOf(error: unknown): number {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : 0;
}

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // mysql2's word for "this connection is dead".
  if ('fatal' in error && error.fatal === true) return true;
  const code = 'code' in error ? String(error.code) : '';
  return /^(ECONN|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EPIPE|EAI_|ENOENT|PROTOCOL_)/.test(code);
}
