// Store: long lists in statements of a bounded size.

/** Rows a statement: SQLite takes 32,766 variables, MySQL statements should stay well below max_allowed_packet. */
const CHUNK = 500;

export function* chunks<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let i = 0; i < items.length; i += CHUNK) yield items.slice(i, i + CHUNK);
}
