// The background jobs: one table.
import { schedule } from 'node-cron';
import type { Logger } from 'pino';
import { AppError } from './core/app-error.ts';
import type { Clock } from './core/words.ts';
import type { Editor } from './dedupe/editor.ts';
import { expire } from './dedupe/steer.ts';
import { CHANGE_WINDOW } from './publish/blocklist.ts';
import type { Store } from './store/store.ts';
import type { WriteTransaction } from './store/write-transaction.ts';

const DAY = 86_400_000;
/** History lines a transaction when pruning, so that it holds nobody up. */
const PRUNE_STEP = 2_000;

export interface Job {
  readonly name: string;
  /** Six fields, seconds first. */
  readonly schedule: string;
  readonly run: () => Promise<void>;
}

export interface JobsOptions {
  readonly store: Store;
  readonly editor: Editor;
  readonly clock: Clock;
  readonly historyDays: number;
}

export function jobsOf({ store, editor, clock, historyDays }: JobsOptions): Job[] {
  return [
    {
      name: 'end what has ended',
      schedule: '* * * * * *',
      run: async () => {
        if (await store.bans.anythingDue(clock())) await expire(editor);
      },
    },
    {
      // A hub that is not ready may be sent no report that would show that it is ready again.
      name: 'try to write again',
      schedule: '* * * * * *',
      run: async () => {
        if (!store.isWritable) await store.write(async () => {});
      },
    },
    {
      name: 'forget old history',
      schedule: '0 7 * * * *',
      run: () => untilDone(store, (tx) => store.bans.prune(tx, clock() - historyDays * DAY, PRUNE_STEP)),
    },
    {
      name: 'forget old changes',
      schedule: '0 27 * * * *',
      run: async () => {
        const floor = await store.log.revisionBefore(CHANGE_WINDOW);
        if (floor !== undefined) await untilDone(store, (tx) => store.log.prune(tx, floor));
      },
    },
  ];
}

/** Runs the jobs at their times, each never twice at once. Returns the way to stop them. */
export function startJobs(jobs: readonly Job[], logger: Logger): { close: () => Promise<void> } {
  const running = new Map<Job, Promise<void>>();
  const tasks = jobs.map((job) =>
    schedule(job.schedule, async () => {
      if (running.has(job)) return;
      const run = job.run().catch((error) => logFailure(job, error, logger));
      running.set(job, run);
      await run;
      running.delete(job);
    }),
  );
  return {
    close: async () => {
      for (const task of tasks) await task.destroy();
      await Promise.all(running.values());
    },
  };
}

/** With the database away every job fails until it is back; whoever follows the log has said so already. */
function logFailure(job: Job, error: unknown, logger: Logger): void {
  if (error instanceof AppError && error.code === 'unavailable') return;
  logger.error({ err: error, job: job.name }, 'a background job failed');
}

async function untilDone(store: Store, step: (tx: WriteTransaction) => Promise<boolean>): Promise<void> {
  while ((await store.write(step)).result) {}
}
