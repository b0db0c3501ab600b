// Sync client, plan: the hub's list and what of it every enforcer is to hold, kept in step without walking the whole list.
import { type Address, compareAddresses, contains, isSingle } from '../server/core/address.ts';
import type { Blocklist } from './blocklist.ts';

/** One instance lives as long as its list: the daemon changes it round by round. */
export class Target {
  readonly #list: Blocklist;
  readonly #withheld = new Map<string, Address>();
  readonly #networks = new Map<string, Address>();
  readonly #singles = { 4: 0, 6: 0 };

  /**
   * Takes the hub's list over and changes it from then on; there is no second copy of 100,000 entries. What
   * `isWithheld` says yes to stays on the list and is not enforced.
   */
  constructor(list: Blocklist, isWithheld: (address: Address) => boolean) {
    this.#list = list;
    for (const address of list.all()) {
      if (isWithheld(address)) this.#withheld.set(address.text, address);
      else this.#count(address, 1);
    }
  }

  /** How many entries are to be enforced. */
  get size(): number {
    return this.#list.size - this.#withheld.size;
  }

  get networks(): ReadonlyMap<string, Address> {
    return this.#networks;
  }

  /** How many of them are single addresses of this family. */
  singles(family: 4 | 6): number {
    return this.#singles[family];
  }

  /** All that is to be enforced, in the order of the list. */
  all(): readonly Address[] {
    const all = this.#list.all();
    return this.#withheld.size === 0 ? all : all.filter(({ text }) => !this.#withheld.has(text));
  }

  has(text: string): boolean {
    return this.#list.has(text) && !this.#withheld.has(text);
  }

  /** Puts it on the list. False when it was there already, or is withheld. */
  add(address: Address, withheld: boolean): boolean {
    if (!this.#list.add(address)) return false;
    if (withheld) this.#withheld.set(address.text, address);
    else this.#count(address, 1);
    return !withheld;
  }

  /** Takes it off the list. False when it was not enforced. */
  delete(address: Address): boolean {
    const listed = this.#list.delete(address.text);
    if (this.#withheld.delete(address.text) || !listed) return false;
    this.#count(address, -1);
    return true;
  }

  #count(address: Address, by: 1 | -1): void {
    if (isSingle(address)) this.#singles[address.family] += by;
    else if (by === 1) this.#networks.set(address.text, address);
    else this.#networks.delete(address.text);
  }
}

/** The networks that lie in no other one of `networks`: together they cover the same addresses, and none overlap. */
export function outermost(networks: ReadonlyMap<string, Address>): ReadonlyMap<string, Address> {
  const outer = new Map<string, Address>();
  let last: Address | undefined;
  for (const network of [...networks.values()].sort(compareAddresses)) {
    // Sorted by number and the wider first, so whatever contains this one is the last that was kept.
    if (last && contains(last, network)) continue;
    outer.set(network.text, network);
    last = network;
  }
  return outer;
}
