// Dedupe: what may never be banned, whoever says so. An address goes in, the named reason against it comes out.
import { type Address, addressOf, isSingle, networkOf, overlaps } from '../core/address.ts';
import { AddressMap } from '../core/address-map.ts';
import type { AllowlistEntry, Host, Reason } from '../core/words.ts';

/** Special ranges, by the reason that a report of one is refused with. */
const RANGES: readonly { reason: Reason; network: Address }[] = (
  [
    // RFC 1122 section 3.2.1.3: "this network". A ban of it, or of anything wider, would cut off everybody.
    ['unspecified', '0.0.0.0/8'],
    ['unspecified', '::'],
    // RFC 1122, RFC 4291
    ['loopback', '127.0.0.0/8'],
    ['loopback', '::1'],
    // RFC 3927, RFC 4291
    ['link_local', '169.254.0.0/16'],
    ['link_local', 'fe80::/10'],
    // RFC 5771, RFC 4291
    ['multicast', '224.0.0.0/4'],
    ['multicast', 'ff00::/8'],
    // RFC 919
    ['broadcast', '255.255.255.255'],
    // RFC 5737, RFC 3849, RFC 9637
    ['documentation', '192.0.2.0/24'],
    ['documentation', '198.51.100.0/24'],
    ['documentation', '203.0.113.0/24'],
    ['documentation', '2001:db8::/32'],
    ['documentation', '3fff::/20'],
    // RFC 1918, RFC 4193
    ['private', '10.0.0.0/8'],
    ['private', '172.16.0.0/12'],
    ['private', '192.168.0.0/16'],
    ['private', 'fc00::/7'],
    // RFC 6598
    ['shared', '100.64.0.0/10'],
  ] as const
).map(([reason, text]) => ({ reason, network: addressOf(text) }));

/** RFC 4291 section 2.5.5.2: all of IPv4, as IPv6. What lies inside it has become IPv4 when it was parsed. */
const MAPPED = networkOf(6, 0xffffn << 32n, 96);

/** The reasons that a setting may take away. */
export const ALLOWABLE_RANGES = ['documentation', 'private', 'shared'] as const;
export type AllowableRange = (typeof ALLOWABLE_RANGES)[number];

export interface ProtectionRules {
  /** The widest network that may be banned, as the shortest prefix. */
  readonly shortestPrefix: { readonly 4: number; readonly 6: number };
  readonly allowRanges: readonly AllowableRange[];
}

/** Why no source may ever ban this address, from the address alone; undefined when it may. */
export function refuseByRange(address: Address, rules: ProtectionRules): Reason | undefined {
  const allowed: readonly Reason[] = rules.allowRanges;
  const range = RANGES.find(({ reason, network }) => !allowed.includes(reason) && overlaps(network, address));
  if (range) return range.reason;
  const isTooWide = address.prefix < rules.shortestPrefix[address.family] || overlaps(address, MAPPED);
  return isTooWide ? 'too_wide' : undefined;
}

/**
 * What must not be published at the moment: special ranges, what the allowlist covers, and where our own hosts last spoke
 * from. Immutable: made anew when either changes.
 */
export class Shield {
  readonly #rules: ProtectionRules;
  readonly #allowed = new AddressMap<Address>();
  readonly #own = new AddressMap<Address>();

  constructor(rules: ProtectionRules, allowlist: readonly AllowlistEntry[], hosts: readonly Host[]) {
    this.#rules = rules;
    for (const { address } of allowlist) this.#allowed.set(address, address);
    for (const host of hosts) {
      for (const address of [host.lastIpv4, host.lastIpv6]) if (address) this.#own.set(address, address);
    }
  }

  /** Why this address is not published now; undefined when nothing speaks against it. */
  against(address: Address): Reason | undefined {
    const range = refuseByRange(address, this.#rules);
    if (range) return range;
    if (this.#allowed.covering(address)) return 'allowlisted';
    if (this.#own.covering(address)) return 'own_host';
    if (isSingle(address)) return undefined;
    if (this.#allowed.inside(address)) return 'contains_allowlisted';
    return this.#own.inside(address) ? 'contains_own_host' : undefined;
  }
}
