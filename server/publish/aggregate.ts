// Publish: fewer, wider networks that hold exactly the same addresses. Pure.
import { type Address, contains, hostMask, networkOf } from '../core/address.ts';

/**
 * Drops what lies inside another network and joins neighbours that fill the next wider one (RFC 4632 section 5), until
 * nothing is left to join. `sorted` must be in the order of lists, and so is the result.
 */
export function aggregate(sorted: readonly Address[]): Address[] {
  const result: Address[] = [];
  for (const address of sorted) {
    const last = result.at(-1);
    if (last && contains(last, address)) continue;
    result.push(address);
    for (let joined = joinLast(result); joined; joined = joinLast(result)) result.splice(-2, 2, joined);
  }
  return result;
}

/** The network that the last two fill between them, if they do. */
function joinLast(addresses: readonly Address[]): Address | undefined {
  const right = addresses.at(-1);
  const left = addresses.at(-2);
  if (!left || !right || left.family !== right.family || left.prefix !== right.prefix) return undefined;
  const prefix = left.prefix - 1;
  const sameParent = (left.first & ~hostMask(left.family, prefix)) === (right.first & ~hostMask(left.family, prefix));
  return sameParent ? networkOf(left.family, left.first, prefix) : undefined;
}
