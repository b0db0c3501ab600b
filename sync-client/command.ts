// Sync client, enforce: runs one program to its end, with all that it is to do on its standard input.
import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Its exit code; 127 when there is no such program, 124 when it ran out of time. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** ASCII. */
  readonly input?: string;
  /** Milliseconds; 120,000 when not given. */
  readonly timeLimit?: number;
}

/** Runs a program by its argument list, never through a shell. Never rejects. Passed in, so that tests choose where it runs. */
export type RunCommand = (command: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

/** Commands that run on this host with this environment. */
export function commandRunner(environment: NodeJS.ProcessEnv): RunCommand {
  return (command, { input, timeLimit = 120_000 } = {}) =>
    new Promise((resolve) => {
      const [program = '', ...args] = command;
      const child = spawn(program, args, {
        env: environment,
        stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      });
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, timeLimit);
      child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
      const settle = (code: number, error?: string): void => {
        clearTimeout(timer);
        resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: error ?? Buffer.concat(stderr).toString() });
      };
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') settle(127, `${program}: not found, is it installed?`);
        else settle(126, `${program}: ${error.message}`);
      });
      child.on('close', (code) => {
        if (late) settle(124, `${program}: not done after ${timeLimit / 1000} s`);
        else settle(code ?? 128);
      });
      // A program that ends early, with an error of its own, leaves a broken pipe behind: its exit code tells more.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input, 'latin1');
    });
}

/** What a failed command said, in one short line. */
export function complaintOf({ code, stderr, stdout }: CommandResult): string {
  const lines = `${stderr}\n${stdout}`.split('\n').map((line) => line.trim());
  const told = lines.find((line) => line !== '') ?? `exit code ${code}`;
  return told.length > 200 ? `${told.slice(0, 200)}…` : told;
}
