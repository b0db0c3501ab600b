// Sync client, plan: pure. Which entries would cut the host off, and which whole lists are too strange to be applied.
import { type Address, addressOf, lastOf, overlaps } from '../server/core/address.ts';

/** An address or network that must stay reachable, and what it is to this host. */
export interface Vital {
  readonly address: Address;
  /** Such as `this host's own address`. */
  readonly what: string;
}

/** Without these a host does not work at all (neighbour discovery, its own loopback), whatever a hub may publish. */
const ALWAYS: readonly Vital[] = [
  { address: addressOf('0.0.0.0/8'), what: 'the unspecified range' },
  { address: addressOf('127.0.0.0/8'), what: 'loopback' },
  { address: addressOf('169.254.0.0/16'), what: 'link-local' },
  { address: addressOf('224.0.0.0/4'), what: 'multicast' },
  { address: addressOf('255.255.255.255'), what: 'broadcast' },
  { address: addressOf('::'), what: 'the unspecified address' },
  { address: addressOf('::1'), what: 'loopback' },
  { address: addressOf('fe80::/10'), what: 'link-local' },
  { address: addressOf('ff00::/8'), what: 'multicast' },
];

/** Asked for every entry of a list of 100,000: an IPv4 address, as nearly all are, costs a few comparisons of numbers. */
export class Guards {
  readonly #vital: readonly Vital[];
  /** First and last of each protected range of IPv4, ascending; the ranges do not overlap. */
  readonly #quads: readonly { first: number; last: number }[];
  /** Equal for two guards that protect the same. */
  readonly key: string;

  constructor(vital: readonly Vital[]) {
    this.#vital = [...ALWAYS, ...vital];
    this.#quads = disjoint(
      this.#vital
        .filter(({ address }) => address.family === 4)
        .map(({ address }) => ({ first: Number(address.first), last: Number(lastOf(address)) })),
    );
    this.key = this.#vital
      .map(({ address }) => address.text)
      .sort()
      .join(' ');
  }

  /** What `address` overlaps that must stay reachable, or undefined when it may be blocked. */
  protecting(address: Address): string | undefined {
    if (address.family === 4 && address.prefix === 32 && !this.#coversQuad(Number(address.first))) return undefined;
    const vital = this.#vital.find((each) => overlaps(each.address, address));
    return vital && `${vital.what} (${vital.address.text})`;
  }

  #coversQuad(quad: number): boolean {
    let low = 0;
    let high = this.#quads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#quads[middle];
      if (range === undefined || quad < range.first) high = middle;
      else if (quad > range.last) low = middle + 1;
      else return true;
    }
    return false;
  }
}

function disjoint(ranges: { first: number; last: number }[]): { first: number; last: number }[] {
  const merged: { first: number; last: number }[] = [];
  for (const range of ranges.sort((a, b) => a.first - b.first)) {
    const last = merged.at(-1);
    if (last && range.first <= last.last) last.last = Math.max(last.last, range.last);
    else merged.push({ ...range });
  }
  return merged;
}

/** How far one list may differ from the last good one. Percentages are of the last good list. */
export interface Limits {
  readonly maxEntries: number;
  readonly maxShrinkPercent: number;
  readonly maxGrowthPercent: number;
  /** That many entries may go, or come, whatever the percentage says: small lists change by large percentages. */
  readonly freeShrink: number;
  readonly freeGrowth: number;
}

/** Why a list must not be applied, in words for an administrator; undefined when it may. `before` 0: there was none. */
export function refusalOf(
  size: { before: number; added: number; removed: number },
  limits: Limits,
): string | undefined {
  const { before, added, removed } = size;
  const after = before + added - removed;
  if (after > limits.maxEntries) return `it has ${after} entries, more than BANHUB_MAX_ENTRIES=${limits.maxEntries}`;
  if (before === 0) return undefined;
  if (removed > limits.freeShrink && removed * 100 > before * limits.maxShrinkPercent) {
    return `${removed} of ${before} entries would go, more than BANHUB_MAX_SHRINK=${limits.maxShrinkPercent} percent`;
  }
  if (added > limits.freeGrowth && added * 100 > before * limits.maxGrowthPercent) {
    return `${added} entries would come to ${before}, more than BANHUB_MAX_GROWTH=${limits.maxGrowthPercent} percent`;
  }
  return undefined;
}
