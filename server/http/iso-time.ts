// HTTP: times as answers show them.

/** ISO 8601 in UTC; null stays null: never, or for ever, as the field says. */
export function isoTime(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
