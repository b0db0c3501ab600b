// Sync client, plan: which addresses this host needs, read from the host: its own, its gateways, its resolvers, the hub's.
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Address, networkOf, parseAddress } from '../server/core/address.ts';
import type { Vital } from './guards.ts';

const RESOLV_CONF = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** The flag RTF_GATEWAY of route(7). */
const GATEWAY = 0x2;

/** What must stay reachable, but for the gateways. Read anew for each round: a host's addresses change while it runs. */
export async function readVitals(options: {
  readonly hub: URL;
  readonly keep: readonly Address[];
  /** The hub's addresses as last seen. */
  readonly lastSeen: readonly string[];
}): Promise<{ vitals: Vital[]; hubAddresses: string[] }> {
  const addresses = await hubAddresses(options.hub, options.lastSeen);
  return {
    vitals: [
      ...ownAddresses(),
      ...resolvers(),
      ...addresses.flatMap((address) => vitalOf(address, 'the hub')),
      ...options.keep.map((address) => ({ address, what: 'kept by BANHUB_KEEP' })),
    ],
    hubAddresses: addresses,
  };
}

function ownAddresses(): Vital[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).flatMap(({ address }) => vitalOf(address, "this host's own address")),
  );
}

function resolvers(): Vital[] {
  return RESOLV_CONF.flatMap((file) => resolversIn(readOrNothing(file)));
}

/** Reads the whole routing table, ours included: 100 ms with 100,000 routes in it, so not for every round. */
export function readGateways(): Vital[] {
  return [...gatewaysIn(readOrNothing('/proc/net/route')), ...gateways6In(readOrNothing('/proc/net/ipv6_route'))];
}

/** The addresses of the hub's name now. Those as last seen serve when it cannot be looked up. */
async function hubAddresses(url: URL, lastSeen: readonly string[]): Promise<string[]> {
  const name = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(name)) return [name];
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return [...lastSeen];
  }
}

export function resolversIn(resolvConf: string): Vital[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].flatMap(([, address = '']) =>
    vitalOf(address, "this host's resolver"),
  );
}

/** /proc/net/route: addresses are hexadecimal numbers in the byte order of the machine, little-endian on all we run on. */
export function gatewaysIn(table: string): Vital[] {
  const found = new Set<string>();
  // By the lines that have a gateway: the others, ours among them, can be 100,000.
  for (const [, hex = '', flags = ''] of table.matchAll(
    /^\S+\t[0-9A-F]{8}\t(?!00000000)([0-9A-F]{8})\t([0-9A-F]+)\t/gm,
  )) {
    if (Number.parseInt(flags, 16) & GATEWAY) found.add(hex);
  }
  return [...found].map((hex) => ({
    address: networkOf(4, BigInt(Buffer.from(hex, 'hex').readUInt32LE()), 32),
    what: "this host's gateway",
  }));
}

/** /proc/net/ipv6_route: destination, prefix, source, prefix, next hop, metric, counts, flags, device. */
export function gateways6In(table: string): Vital[] {
  const found = new Set<string>();
  for (const [, hex = '', flags = ''] of table.matchAll(
    /^[0-9a-f]{32} .. [0-9a-f]{32} .. (?!0{32})([0-9a-f]{32}) \S+ \S+ \S+ ([0-9a-f]+) /gm,
  )) {
    if (Number.parseInt(flags, 16) & GATEWAY) found.add(hex);
  }
  return [...found].map((hex) => ({ address: networkOf(6, BigInt(`0x${hex}`), 128), what: "this host's gateway" }));
}

/** An interface's or a resolver's address may carry a zone id, which our lists cannot. */
function vitalOf(text: string, what: string): Vital[] {
  const parsed = parseAddress(text.replace(/%.*$/, ''));
  return parsed.kind === 'address' ? [{ address: parsed.address, what }] : [];
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
