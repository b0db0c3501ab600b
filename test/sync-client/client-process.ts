// Test support: the sync client as it ships, one bundled file, run in a host's namespace with settings and a state folder of its own.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Host } from '../support/namespaces.ts';
import { until } from '../support/until.ts';

export interface ClientResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Client {
  readonly folder: string;
  readonly stateFolder: string;
  readonly configFile: string;
  /** Rewrites the settings file. */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  run(...args: string[]): Promise<ClientResult>;
  /** Starts the daemon. */
  startDaemon(): Daemon;
  remove(): Promise<void>;
}

export interface Daemon {
  /** All that it logged so far. */
  readonly log: () => string;
  readonly process: ChildProcess;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number>;
}

const MAIN = fileURLToPath(new URL('../../sync-client/main.ts', import.meta.url));
let bundle: Promise<string> | undefined;

/** Bundled once per test run, as the release is: one file, for Node 18, without node_modules. */
export function bundledClient(): Promise<string> {
  bundle ??= bundleClient();
  return bundle;
}

async function bundleClient(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banhub-sync-bundle-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'main.cjs');
  await build({
    entryPoints: [MAIN],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node18',
    format: 'cjs',
    define: { BANHUB_VERSION: '"1.2.3"' },
    logLevel: 'error',
  });
  return outfile;
}

export async function createClient(host: Host, settings: Readonly<Record<string, string>>): Promise<Client> {
  const file = await bundledClient();
  const folder = await mkdtemp(join(tmpdir(), 'banhub-client-'));
  const stateFolder = join(folder, 'state');
  const configFile = join(folder, 'sync.conf');
  const command = (args: string[]): string[] => ['node', file, ...args, '--config', configFile];
  const client: Client = {
    folder,
    stateFolder,
    configFile,
    configure: (next) => {
      const all = { BANHUB_STATE_DIR: stateFolder, ...next };
      const lines = Object.entries(all).map(([name, value]) => `${name}='${value}'\n`);
      return writeFile(configFile, lines.join(''), { mode: 0o600 });
    },
    run: (...args) => host.run(command(args)),
    startDaemon: () => {
      const started = host.start(command(['run']));
      let log = '';
      started.stderr?.on('data', (chunk: Buffer) => {
        log += chunk.toString();
      });
      const ended = once(started, 'exit');
      return {
        log: () => log,
        process: started,
        stop: async () => {
          started.kill('SIGTERM');
          const [code] = (await ended) as [number | null];
          return code ?? -1;
        },
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  await client.configure(settings);
  return client;
}

/** Polls until `condition` holds; fails with `what` after 20 s. */
export function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  return until(condition, { what, seconds: 20 });
}

/** What the client's blackhole routes in this host are for, both families, sorted. */
export async function ourRoutes(host: Host): Promise<string[]> {
  const shown = await Promise.all(
    ['-4', '-6'].map((family) => host.exec(['ip', family, 'route', 'show', 'proto', '166'])),
  );
  return shown
    .flatMap(({ stdout }) => [...stdout.matchAll(/^blackhole (\S+)/gm)].map(([, address = '']) => address))
    .sort();
}
