// Bench: what processes cost: CPU time and memory, as the kernel counts them.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

const TICK = 1_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU milliseconds of a process so far, with those of its children that have ended. In steps of 10 ms. */
export function cpuTimeOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field is the program's name and may hold blanks; utime, stime, cutime, cstime are fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK;
}

/** MiB of memory that a process has in use. */
export function residentMemoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1_024;
}

export interface CommandCost {
  /** Milliseconds from start to end. */
  readonly wall: number;
  /** CPU milliseconds of the command and all its children. */
  readonly cpu: number;
}

export interface TimeCommandOptions {
  /** Put before the shell that times, such as `['ip', 'netns', 'exec', NAME]`. */
  readonly prefix?: readonly string[];
  /** A file for its standard input. */
  readonly input?: string;
}

/** Runs a command to its end, timed by bash, which asks the kernel in microseconds. @throws Error when it fails. */
export async function timeCommand(
  command: readonly string[],
  { prefix = [], input = '/dev/null' }: TimeCommandOptions = {},
): Promise<CommandCost> {
  const script = `TIMEFORMAT='%3R %3U %3S'; { time "$@" < '${input}' > /dev/null 2>&3; } 3>&2 2>&4`;
  const [program = '', ...args] = [...prefix, 'bash', '-c', script, 'bash', ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', 'ignore', 'pipe'] });
  let complaint = '';
  let times = '';
  child.stderr?.on('data', (chunk) => {
    complaint += chunk;
  });
  child.stdio[4]?.on('data', (chunk) => {
    times += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`${command.join(' ').slice(0, 200)}: exit code ${code}: ${complaint.slice(0, 2_000)}`);
  const [real = Number.NaN, user = Number.NaN, system = Number.NaN] = times.trim().split(' ').map(Number);
  return { wall: real * 1_000, cpu: (user + system) * 1_000 };
}
