// Collect: reports that arrive together share one transaction; each is answered after its commit.
import { AppError } from '../core/app-error.ts';
import type { Submission, Verdict } from '../dedupe/apply-reports.ts';

/** So many reports a transaction at most, to bound how long the revision row is held. */
const MAX_REPORTS = 1_000;

export interface Receipt {
  readonly verdicts: readonly Verdict[];
  readonly revision: number;
}

interface Waiting {
  readonly submission: Submission;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

export type ApplySubmissions = (
  submissions: readonly Submission[],
) => Promise<{ verdicts: Verdict[][]; revision: number }>;

/**
 * Group commit. While one transaction runs, what arrives waits and then goes together into the next; so the cost of
 * a commit is shared exactly when there is a rush, and a lone report waits for nobody.
 */
export class ReportQueue {
  readonly #apply: ApplySubmissions;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(apply: ApplySubmissions) {
    this.#apply = apply;
  }

  /** Resolves when the submission is committed. Rejects when it is not, and then nothing of it is. */
  submit(submission: Submission): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ submission, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything that was submitted is answered. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // One turn of the event loop: what came in on other connections at the same moment goes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#commit(this.#takeBatch());
    this.#running = undefined;
  }

  /** A failure of the database fails all; any other is one submission's own, so then each goes by itself. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const { verdicts, revision } = await this.#apply(batch.map(({ submission }) => submission));
      batch.forEach(({ resolve }, index) => {
        resolve({ verdicts: verdicts[index] ?? [], revision });
      });
    } catch (error) {
      if (batch.length === 1 || isUnavailable(error)) for (const { reject } of batch) reject(error);
      else for (const waiting of batch) await this.#commit([waiting]);
    }
  }

  #takeBatch(): Waiting[] {
    let reports = 0;
    let count = 0;
    for (const { submission } of this.#waiting) {
      reports += submission.reports.length;
      if (count > 0 && reports > MAX_REPORTS) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === 'unavailable';
}
