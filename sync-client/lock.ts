// Sync client, state: one client at a time in one state folder. Nothing is left to clean up after one that was killed.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type Lock =
  | { readonly kind: 'held'; release(): Promise<void> }
  /** `command` is what the holder was started as, such as `run`. */
  | { readonly kind: 'busy'; readonly pid: number; readonly command: string };

const ATTEMPTS = 20;
const LONGEST_PAUSE = 30;

let claims = 0;

/**
 * Everyone puts down a claim of his own, a file named after his process, and then looks for claims of others that live. Who
 * finds none holds the lock. Of two claims the later one always finds the earlier, so there are never two holders. A dead
 * process's claim is removed by whoever sees it: no living process has the same id, start time and boot, so that is safe,
 * which it is not with one lock file that is taken over.
 *
 * Where several try together, the first by name stays and the others step back and try again.
 */
export async function takeLock(folder: string, command: string): Promise<Lock> {
  const own = `lock.${await identityOf(process.pid)}.${claims++}.${command}`;
  const release = (): Promise<void> => rm(join(folder, own), { force: true });
  let other: string | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await writeFile(join(folder, own), '', { mode: 0o600 });
    const others = await liveClaims(folder, own);
    other = others[0];
    if (other === undefined) return { kind: 'held', release };
    if (other < own) await release();
    await sleep(LONGEST_PAUSE * Math.random());
  }
  await release();
  const [, pid, , , , holder = ''] = (other ?? '').split('.');
  return { kind: 'busy', pid: Number(pid), command: holder };
}

/** The claims of others, sorted. Those of dead processes are removed. */
async function liveClaims(folder: string, own: string): Promise<string[]> {
  const live: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const pid = Number(/^lock\.(\d+)\./.exec(name)?.[1] ?? 0);
    if (pid === 0 || name === own) continue;
    if (name.startsWith(`lock.${await identityOf(pid)}.`)) live.push(name);
    else await rm(join(folder, name), { force: true });
  }
  return live;
}

/** Process id, start time in clock ticks since the boot (field 22 of proc(5) stat), boot: a process id alone comes again. */
async function identityOf(pid: number): Promise<string> {
  const stat = await readOrNothing(`/proc/${pid}/stat`);
  // The name in brackets may hold blanks and brackets itself.
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'none';
  const boot = await readOrNothing('/proc/sys/kernel/random/boot_id');
  return `${pid}.${started}.${boot.slice(0, 8)}`;
}

function readOrNothing(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
