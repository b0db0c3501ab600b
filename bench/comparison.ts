// Bench: one measured thing of ours beside its peers and floors. Runs come in, medians, ratios and verdicts go out. Pure.

export type Unit = 'per second' | 'milliseconds' | 'MiB';

/** One way of doing a thing, measured several times. */
export interface Figure {
  readonly median: number;
  /** Every run, in the order they were made. */
  readonly runs: readonly number[];
  /** Median of the CPU milliseconds that one operation cost the process, where that is known. */
  readonly cpu?: number | undefined;
}

export type Target =
  /** Ours divided by the first peer. */
  | { readonly kind: 'ratio at most' | 'ratio at least'; readonly value: number }
  /** Ours, in its unit. */
  | { readonly kind: 'at most'; readonly value: number };

export interface Comparison {
  readonly measure: string;
  readonly unit: Unit;
  readonly ours: Figure;
  readonly peers: readonly { readonly name: string; readonly figure: Figure; readonly ratio: number }[];
  readonly target?: Target | undefined;
  /** Whether the target is met; undefined where there is none. */
  readonly holds?: boolean | undefined;
}

export interface ComparisonOptions {
  readonly measure: string;
  readonly unit: Unit;
  readonly ours: Figure;
  readonly peers?: Readonly<Record<string, Figure>>;
  readonly target?: Target;
}

export function compare({ measure, unit, ours, peers = {}, target }: ComparisonOptions): Comparison {
  const compared = Object.entries(peers).map(([name, figure]) => ({
    name,
    figure,
    ratio: ours.median / figure.median,
  }));
  const holds = target && meets(target, ours.median, compared[0]?.ratio ?? Number.NaN);
  return { measure, unit, ours, peers: compared, target, holds };
}

/** A figure from the runs of one measurement; `cpu` as long as `runs`, or absent. */
export function figureOf(runs: readonly number[], cpu?: readonly number[]): Figure {
  return { median: median(runs), runs, ...(cpu && { cpu: median(cpu) }) };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

function meets(target: Target, ours: number, ratio: number): boolean {
  if (target.kind === 'at most') return ours <= target.value;
  return target.kind === 'ratio at most' ? ratio <= target.value : ratio >= target.value;
}
