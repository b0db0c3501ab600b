// Sync client, `run`: the daemon. A full round first, then what changed each interval, until it is told to stop.
import { rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Refusal } from './hub-request.ts';
import type { RoundResult, Sync } from './sync.ts';

export interface RunOptions {
  readonly sync: Sync;
  /** Milliseconds. */
  readonly interval: number;
  /** Milliseconds between two comparisons of the whole list with what the enforcers hold. */
  readonly fullInterval: number;
  /** A file whose presence means: take the next list even if the guards refuse it. */
  readonly acceptFile: string;
  /** Ends the daemon. */
  readonly stop: AbortSignal;
  /** Returns a signal that fires when a full round is wanted at once. */
  readonly wake: () => AbortSignal;
}

/** After these the list that we have is as good as before; after any other, the whole list is asked for. */
const PASSING: readonly Refusal[] = ['unreachable', 'timeout', 'status', 'stopped'];

/** Hosts that were started together must not ask together for ever. */
const JITTER = 0.1;

/** Returns when `stop` fires, after the round at work is done. What is enforced stays enforced. */
export async function runDaemon(options: RunOptions): Promise<void> {
  const { sync, interval, fullInterval, acceptFile, stop, wake } = options;
  // Before the hub is asked: after a reboot the host is protected at once, and while the hub is away.
  await sync.enforceLastGood();
  let whole = true;
  let comparedAt = 0;
  while (!stop.aborted) {
    const woken = wake();
    const accept = await exists(acceptFile);
    if (performance.now() - comparedAt >= fullInterval || comparedAt === 0) {
      sync.distrust();
      comparedAt = performance.now();
    }
    const result = whole || accept ? await sync.full({ accept, signal: stop }) : await sync.change(stop);
    whole = wantsWhole(result);
    if (accept && !result.refused) await rm(acceptFile, { force: true });
    if (await pause(interval * (1 + JITTER * (2 * Math.random() - 1)), [stop, woken])) whole = !stop.aborted;
  }
}

function wantsWhole({ refused }: RoundResult): boolean {
  return refused !== undefined && !PASSING.includes(refused.refusal);
}

/** True when one of the signals ended it. */
async function pause(milliseconds: number, signals: readonly AbortSignal[]): Promise<boolean> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  if (signals.some(({ aborted }) => aborted)) end();
  for (const signal of signals) signal.addEventListener('abort', end, { once: true });
  try {
    await sleep(milliseconds, undefined, { signal: ended.signal });
    return false;
  } catch {
    return true;
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', end);
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
