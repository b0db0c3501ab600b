// Bench: a real hub inside a namespace, with a stocked list, and what a client needs to reach it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressesFrom } from '../addresses.ts';
import type { BenchOptions } from '../bench.ts';
import { startHub } from '../hub-process.ts';
import { stockSqlite } from '../stocked-database.ts';
import type { NetworkNamespace } from './network-namespace.ts';

/** Addresses in one change. */
export const CHANGE_SIZE = 10;

export interface NamespaceHub {
  readonly size: number;
  readonly url: string;
  readonly token: string;
  /** A curl config that fetches the list. */
  readonly curlConfig: string;
  /** Adds ten addresses that were never listed, by one request, or takes the last ten back. Returns them. */
  change(verb: 'add' | 'remove'): Promise<string[]>;
}

export async function startNamespaceHub(
  size: number,
  namespace: NetworkNamespace,
  { folder, defer }: BenchOptions,
): Promise<NamespaceHub> {
  const { token, copy } = await stockSqlite(folder, size);
  const { url: database } = await copy();
  const hub = await startHub({ database, log: join(folder, 'hub.log'), prefix: namespace.prefix });
  defer(() => hub.stop());
  const headers = `header = "Authorization: Bearer ${token}"\n`;
  const curlConfig = join(folder, `list-${size}.curl`);
  writeFileSync(curlConfig, `url = "${hub.url}/blocklist.txt"\n${headers}`);
  const reportConfig = join(folder, `report-${size}.curl`);
  const body = join(folder, `report-${size}.json`);
  const json = 'header = "Content-Type: application/json"\n';
  writeFileSync(reportConfig, `url = "${hub.url}/api/v1/reports"\n${headers}${json}data-binary = "@${body}"\n`);
  let next = size;
  return {
    size,
    url: hub.url,
    token,
    curlConfig,
    async change(verb) {
      if (verb === 'add') next += CHANGE_SIZE;
      const addresses = addressesFrom(next - CHANGE_SIZE, CHANGE_SIZE);
      const action = verb === 'add' ? 'ban' : 'unban';
      writeFileSync(body, JSON.stringify(addresses.map((ip) => ({ action, ip, jail: 'sshd', bantime: 604_800 }))));
      await namespace.expect(`curl -sS -f -o /dev/null -K ${reportConfig}`);
      return addresses;
    },
  };
}
