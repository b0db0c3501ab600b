// Bench: what it was measured on: without this no figure means anything.
import { spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { median } from './comparison.ts';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly kernel: string;
  /** Milliseconds that the disk takes to make 4 KiB durable, median. */
  readonly diskSyncMs: number;
  readonly versions: Readonly<Record<string, string>>;
}

const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  mariadb: ['mariadbd', '--version'],
  nginx: ['nginx', '-v'],
  wrk: ['wrk', '--version'],
  fail2ban: ['fail2ban-client', '--version'],
  iproute2: ['ip', '-V'],
  nftables: ['nft', '--version'],
  ipset: ['ipset', '--version'],
};

/** `folder` is where the databases will lie. */
export function describeMachine(folder: string): Machine {
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  const versions = Object.entries(VERSIONS).map(([name, command]) => [name, versionOf(command)]);
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system,
    kernel: release(),
    diskSyncMs: Number(syncTimeOf(folder).toFixed(3)),
    versions: { node: process.versions.node, ...Object.fromEntries(versions) },
  };
}

/** A folder in memory makes every commit durable for nothing. */
export function isInMemory(folder: string): boolean {
  const TMPFS = 0x0102_1994;
  return statfsSync(folder).type === TMPFS;
}

function versionOf([program = '', ...args]: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return /\d+\.\d+[\w.+~:-]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown';
}

function syncTimeOf(folder: string): number {
  const path = join(folder, 'sync-time');
  const file = openSync(path, 'w');
  const times = Array.from({ length: 101 }, () => {
    writeSync(file, Buffer.alloc(4_096, 1));
    const start = performance.now();
    fdatasyncSync(file);
    return performance.now() - start;
  });
  closeSync(file);
  rmSync(path);
  return median(times);
}
