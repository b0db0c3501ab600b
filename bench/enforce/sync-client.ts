// Bench: the sync clients as commands and as a daemon, with a configuration and a state folder of their own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NamespaceHub } from './namespace-hub.ts';
import type { NetworkNamespace } from './network-namespace.ts';

/** The whole command, as cron runs it. */
export type Program = readonly string[];

export const NODE_CLIENT: Program = [process.execPath, 'dist/sync-client/main.js'];
export const SH_CLIENT: Program = ['sh', 'sync-client/banhub-sync.sh'];

export interface SyncClient {
  /** The command for one round. */
  readonly once: readonly string[];
  /** As if it had never run here. */
  forget(): void;
  /** Starts the daemon. */
  run(): Daemon;
}

export interface Daemon {
  readonly pid: number;
  /** What it said so far. */
  log(): string;
  stop(): Promise<void>;
}

export interface SyncClientOptions {
  readonly program: Program;
  readonly settings: Readonly<Record<string, string>>;
  readonly hub: NamespaceHub;
  readonly namespace: NetworkNamespace;
  readonly folder: string;
  /** Of its files in the folder. */
  readonly name: string;
}

export function configureClient({ program, settings, hub, namespace, folder, name }: SyncClientOptions): SyncClient {
  const config = join(folder, `${name}.conf`);
  const state = join(folder, `${name}-state`);
  const given = { BANHUB_URL: hub.url, BANHUB_TOKEN: hub.token, BANHUB_STATE_DIR: state, ...settings };
  const lines = Object.entries(given).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(config, lines.join(''), { mode: 0o600 });
  return {
    once: [...program, 'once', '--config', config],
    forget: () => rmSync(state, { recursive: true, force: true }),
    run: () => startDaemon([...namespace.prefix, ...program, 'run', '--config', config], join(folder, `${name}.log`)),
  };
}

function startDaemon([program = '', ...args]: readonly string[], path: string): Daemon {
  const sink = openSync(path, 'w');
  const daemon = spawn(program, args, { stdio: ['ignore', sink, sink] });
  closeSync(sink);
  return {
    pid: daemon.pid ?? 0,
    log: () => readFileSync(path, 'utf8'),
    async stop() {
      if (daemon.exitCode !== null || daemon.signalCode !== null) return;
      const ended = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      await ended;
    },
  };
}
