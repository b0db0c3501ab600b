// Words: one setting of a program: its default, what it means, and how its text becomes a value.

export interface Setting<Value> {
  /** As it would be written; undefined where there is none. */
  readonly default: string | undefined;
  readonly meaning: string;
  /** @throws Error with a text that follows "NAME: ". */
  readonly parse: (text: string) => Value;
  /** Never shown; may also be given as the path of a file, in NAME_FILE. */
  readonly secret?: true;
}

export function setting<Value>(
  fallback: string | undefined,
  meaning: string,
  parse: (text: string) => Value,
  secret?: true,
): Setting<Value> {
  return { default: fallback, meaning, parse, ...(secret && { secret }) };
}

/** Parses a whole number within bounds. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    throw new Error(`must be a whole number from ${least} to ${most}`);
  };
}
