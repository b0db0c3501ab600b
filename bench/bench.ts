// Bench: what one is, and what it is given. Each lives in a folder of its own and is listed in main.ts.
import type { Comparison } from './comparison.ts';

export interface BenchOptions {
  /** How often each measurement is made; figures are medians. */
  readonly runs: number;
  /** How long one measurement of a rate takes. */
  readonly seconds: number;
  /** An empty folder on a real disk, removed afterwards. */
  readonly folder: string;
  /** Called at the end, also after a failure or Ctrl-C; the last one deferred is called first. */
  readonly defer: (undo: () => unknown) => void;
  /** Says how far it is. */
  readonly say: (text: string) => void;
}

export interface Bench {
  readonly name: string;
  /** Stands above the table. */
  readonly title: string;
  /** How it was measured, as far as the figures cannot be understood without it. */
  readonly notes: readonly string[];
  readonly run: (options: BenchOptions) => Promise<Comparison[]>;
}
