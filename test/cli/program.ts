// The built program as administrators run it: a process of its own, with its settings and nothing else of BANHUB_.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from '../support/hub.ts';
import { until } from '../support/until.ts';

export type Settings = Record<string, string>;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const running = new Set<ChildProcess>();

/** Builds dist/ if it is older than its sources. */
export function buildProgram(): void {
  const build = "import('./scripts/build.mjs').then((module) => module.build())";
  const { status, stderr } = spawnSync(process.execPath, ['-e', build], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the build failed: ${stderr}`);
}

/** Runs `banhub ARGS` to its end. */
export function run(args: string[], settings: Settings = {}, cwd = ROOT): Promise<Ended> {
  return new Program(args, settings, cwd).ended;
}

/** Ends whatever a test has left running. */
export async function endPrograms(): Promise<void> {
  for (const child of running) {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
}

export class Program {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(args: string[], settings: Settings = {}, cwd = ROOT) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BANHUB_')));
    this.#child = spawn(process.execPath, [join(ROOT, 'dist/server/main.js'), ...args], {
      cwd,
      env: { ...env, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    this.#child.stdout?.on('data', (chunk) => {
      this.#stdout += chunk;
    });
    this.#child.stderr?.on('data', (chunk) => {
      this.#stderr += chunk;
    });
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      running.delete(this.#child);
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  /** Starts a hub on a free port and waits until it says that it runs. */
  static async serve(settings: Settings, args: string[] = [], cwd = ROOT): Promise<Program> {
    const program = new Program(args, { BANHUB_LISTEN: '127.0.0.1:0', ...settings }, cwd);
    await program.says(/Banhub is running at/);
    return program;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Where it says that it runs. */
  get url(): string {
    return /running at (\S+)/.exec(this.#stdout)?.[1] ?? '';
  }

  async says(what: RegExp): Promise<void> {
    await until(
      () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#stdout}${this.#stderr}`);
        return what.test(this.#stdout) || what.test(this.#stderr);
      },
      { what: `it says ${what}`, seconds: 20, seen: () => `${this.#stdout}${this.#stderr}` },
    );
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  stop(): Promise<Ended> {
    this.send('SIGTERM');
    return this.ended;
  }
}
