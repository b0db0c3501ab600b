// Sync client, enforce: whether this process may change routes and packet filters at all.
import { readFileSync } from 'node:fs';
import type { Finding } from './enforcer.ts';

const CAP_NET_ADMIN = 1n << 12n;

/** Looks at the effective capabilities, so that nothing has to be tried out. */
export function checkNetAdmin(): Finding {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & CAP_NET_ADMIN) !== 0n
    ? { ok: true, text: 'may change the network (CAP_NET_ADMIN)' }
    : { ok: false, text: 'may not change the network: run it as root, or with CAP_NET_ADMIN' };
}
