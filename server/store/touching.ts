// Store: the condition that picks what overlaps an address or network, by the columns of `bans`.
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import { type Address, rangeOf, widen } from '../core/address.ts';
import type { Tables } from './tables.ts';

/** For `where`: bans that lie inside `network`, equal it, or contain it. */
export function touching(network: Address): (where: ExpressionBuilder<Tables, 'bans'>) => Expression<SqlBool> {
  const range = rangeOf(network);
  const wider = Array.from({ length: network.prefix + 1 }, (_, prefix) => widen(network, prefix).text);
  return (where) =>
    where.or([
      where('address', 'in', wider),
      where.and([
        where('range_start', '>=', range.start),
        // Without this the index is read to its end.
        where('range_start', '<=', range.end),
        where('range_end', '<=', range.end),
      ]),
    ]);
}
