// Words: many addresses and networks, asked "what covers this one?" and "what lies inside this network?".
import { type Address, hostMask, lastOf } from './address.ts';

/** Addresses and networks with a value each. Asking costs one look-up per distinct prefix, not per entry. */
export class AddressMap<Value> {
  readonly #byPrefix = new Map<string, { family: 4 | 6; prefix: number; values: Map<bigint, Value> }>();

  set(address: Address, value: Value): void {
    const key = `${address.family}/${address.prefix}`;
    let bucket = this.#byPrefix.get(key);
    if (!bucket) {
      bucket = { family: address.family, prefix: address.prefix, values: new Map() };
      this.#byPrefix.set(key, bucket);
    }
    bucket.values.set(address.first, value);
  }

  /** The value of some entry that equals or contains `address`. */
  covering(address: Address): Value | undefined {
    for (const { family, prefix, values } of this.#byPrefix.values()) {
      if (family !== address.family || prefix > address.prefix) continue;
      const value = values.get(address.first & ~hostMask(family, prefix));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** The value of some entry that lies inside the network `address`. A walk over all entries: networks are rare. */
  inside(address: Address): Value | undefined {
    const last = lastOf(address);
    for (const { family, prefix, values } of this.#byPrefix.values()) {
      if (family !== address.family || prefix < address.prefix) continue;
      for (const [first, value] of values) if (first >= address.first && first <= last) return value;
    }
    return undefined;
  }
}
