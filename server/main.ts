#!/usr/bin/env node
// The command line of the hub, and the only place that ends the process.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { type Config, readConfig } from './config.ts';
import { AppError } from './core/app-error.ts';
import { addHost, parseScopes, revokeHost } from './fleet/enrol.ts';
import { installGuide } from './fleet/install-guide.ts';
import { createLogger } from './log.ts';
import { publicUrl, serve } from './serve.ts';
import { Store } from './store/store.ts';

const USAGE = `Usage: banhub [COMMAND] [--config FILE]

  serve                                  run the hub (the default)
  migrate                                bring the database to this version, and end
  host add NAME [--scope report,pull]    enrol a host; prints its token alone on standard output
  host list                              the hosts, and what they may do
  host revoke NAME                       from now on its tokens are refused

  --config FILE                          settings from an env file; the environment goes first
  --help                                 this text

Scopes: report (send bans), pull (fetch the blocklist), admin (ban, lift, allow). A firewall needs pull alone.
`;

/** The folder with sql/, actions/ and dist/: this file is dist/server/main.js below it. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

class UsageError extends Error {}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return void process.stdout.write(USAGE);
  const [command = 'serve', ...rest] = positionals;
  if (values.scope !== undefined && !(command === 'host' && rest[0] === 'add')) {
    throw new UsageError('--scope goes with host add alone');
  }
  const config = () => readConfig(values.config);
  if (command === 'serve' && rest.length === 0) {
    const settings = config();
    await serve(settings, {
      logger: createLogger(settings.BANHUB_LOG_LEVEL, pino.destination(2)),
      root: ROOT,
      configFile: values.config,
      openStore,
    });
  } else if (command === 'migrate' && rest.length === 0) {
    await withStore(config(), async (store, applied) => {
      const what = applied.length > 0 ? `applied ${applied.join(', ')}` : 'is up to date';
      process.stdout.write(`${store.location}: ${what}\n`);
    });
  } else if (command === 'host') {
    await hostCommand(rest, values.scope, config());
  } else {
    throw new UsageError(`unknown command: ${positionals.join(' ')}`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { config: { type: 'string' }, scope: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function hostCommand([verb, name, ...more]: string[], scope: string | undefined, config: Config): Promise<void> {
  if (verb === 'list' && name === undefined) return withStore(config, listHosts);
  if (name === undefined || more.length > 0) throw new UsageError('host add NAME, host list, or host revoke NAME');
  if (verb === 'add') {
    const scopes = parseScopes(scope ?? 'report,pull');
    return withStore(config, async (store, applied) => {
      const token = await addHost(store, name, scopes);
      process.stdout.write(`${token}\n`);
      const tell = (text: string) => process.stderr.write(`${text}\n`);
      if (applied.length > 0) tell(`Made a new database: ${store.location}. If the hub uses another, see --config.`);
      if (!scopes.includes('report')) return;
      tell(`\nThis token is shown once. To join ${name}, paste there as root:\n`);
      tell(installGuide(publicUrl(config), token));
      if (config.BANHUB_PUBLIC_URL === '') {
        tell(`Other hosts may not reach ${publicUrl(config)}: BANHUB_PUBLIC_URL says what these lines shall have.`);
      }
    });
  }
  if (verb === 'revoke') {
    return withStore(config, async (store) => {
      await revokeHost(store, name);
      process.stdout.write(`${name} is revoked; its claims stand until they end.\n`);
    });
  }
  throw new UsageError(`unknown command: host ${verb}`);
}

async function listHosts(store: Store): Promise<void> {
  const hosts = await store.fleet.hosts();
  const scopes = new Map<number, string>();
  for (const credential of await store.fleet.credentials()) scopes.set(credential.host.id, credential.scopes.join(','));
  const rows = hosts.map((host) => [
    host.name,
    host.revokedAt === null ? (scopes.get(host.id) ?? '') : 'revoked',
    [host.lastIpv4?.text, host.lastIpv6?.text].filter(Boolean).join(' ') || '-',
    new Date(host.addedAt).toISOString().slice(0, 16).replace('T', ' '),
  ]);
  process.stdout.write(table([['NAME', 'SCOPES', 'SPEAKS FROM', 'ADDED (UTC)'], ...rows]));
}

function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

function openStore(config: Config): Store {
  return new Store({ url: config.BANHUB_DATABASE_URL, sqlFolder: join(ROOT, 'sql'), clock: Date.now });
}

async function withStore(config: Config, work: (store: Store, applied: string[]) => Promise<void>): Promise<void> {
  const store = openStore(config);
  try {
    await work(store, await store.migrate());
  } finally {
    await store.close();
  }
}

try {
  await main(process.argv.slice(2));
  process.exitCode = 0;
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`banhub: ${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
  const cause = error instanceof AppError && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  process.stderr.write(`banhub: ${error instanceof Error ? error.message : String(error)}${cause}\n`);
  process.exit(error instanceof AppError && error.code === 'invalid' ? 2 : 1);
}
