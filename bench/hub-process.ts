// Bench: the real hub as a process of its own, as an administrator runs it, with its log in a file.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const MAIN = 'dist/server/main.js';

export interface HubProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** As SIGTERM does; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface HubProcessOptions {
  readonly database: string;
  /** Where its log goes. */
  readonly log: string;
  /** Put before the command, such as `['ip', 'netns', 'exec', NAME]`. */
  readonly prefix?: readonly string[];
}

export async function startHub({ database, log, prefix = [] }: HubProcessOptions): Promise<HubProcess> {
  const [program = '', ...args] = [...prefix, process.execPath, MAIN, 'serve'];
  const sink = openSync(log, 'a');
  const hub = spawn(program, args, { env: settings(database), stdio: ['ignore', 'pipe', sink] });
  closeSync(sink);
  const url = await announcedUrl(hub, log);
  return {
    url,
    port: Number(new URL(url).port),
    pid: hub.pid ?? 0,
    async stop() {
      if (hub.exitCode !== null || hub.signalCode !== null) return;
      const ended = once(hub, 'exit');
      hub.kill('SIGTERM');
      await ended;
    },
  };
}

/** Enrols a host that may do everything, in a database that need not exist yet, and returns its token. */
export async function enrolHost(database: string): Promise<string> {
  const args = [MAIN, 'host', 'add', 'bench', '--scope', 'report,pull,admin'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: settings(database) });
  return stdout.trim();
}

/** Nobody's own settings, and no limit on how often a token may ask. */
function settings(database: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BANHUB_'));
  return {
    ...Object.fromEntries(inherited),
    BANHUB_DATABASE_URL: database,
    BANHUB_LISTEN: '127.0.0.1:0',
    BANHUB_RATE_LIMIT: '0',
  };
}

function announcedUrl(hub: ChildProcess, log: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    hub.stdout?.on('data', (chunk) => {
      said += chunk;
      const url = /running at (http:\S+)/.exec(said)?.[1];
      if (url) resolve(url);
    });
    hub.once('error', reject);
    hub.once('exit', (code) => reject(new Error(`the hub ended with ${code}: ${said}${readFileSync(log, 'utf8')}`)));
  });
}
