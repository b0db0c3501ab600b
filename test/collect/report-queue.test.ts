// Group commit: who arrives while a transaction runs goes together into the next.
import assert from 'node:assert/strict';
import { ReportQueue } from '../../server/collect/report-queue.ts';
import { addressOf } from '../../server/core/address.ts';
import { AppError } from '../../server/core/app-error.ts';
import type { Host, UnbanReport } from '../../server/core/words.ts';
import type { Submission, Verdict } from '../../server/dedupe/apply-reports.ts';

const host: Host = { id: 2, name: 'alpha', addedAt: 0, revokedAt: null, lastIpv4: null, lastIpv6: null };

function submission(count = 1): Submission {
  const report: UnbanReport = { action: 'unban', address: addressOf('198.18.0.7'), jail: 'sshd', time: null };
  return { host, from: undefined, reports: Array.from({ length: count }, () => report) };
}

/** A queue whose transactions are listed, and end when told. */
function controlled() {
  const batches: { size: number; commit: () => void; fail: (error: Error) => void }[] = [];
  const queue = new ReportQueue(
    (submissions) =>
      new Promise((resolve, reject) => {
        const verdicts = submissions.map(({ reports }) => reports.map((): Verdict => ({ outcome: 'unchanged' })));
        const commit = () => resolve({ verdicts, revision: batches.length });
        batches.push({ size: submissions.length, commit, fail: reject });
      }),
  );
  return { queue, batches };
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('Reports that arrive together', () => {
  it('share one transaction', async () => {
    const { queue, batches } = controlled();
    const receipts = Array.from({ length: 50 }, () => queue.submit(submission()));
    await turn();
    assert.deepEqual(
      batches.map(({ size }) => size),
      [50],
    );
    batches[0]?.commit();
    for (const receipt of receipts)
      assert.deepEqual(await receipt, { verdicts: [{ outcome: 'unchanged' }], revision: 1 });
  });

  it('are not answered before their commit', async () => {
    const { queue, batches } = controlled();
    let answered = false;
    const receipt = queue.submit(submission()).then(() => {
      answered = true;
    });
    await turn();
    assert.equal(answered, false);
    batches[0]?.commit();
    await receipt;
    assert.equal(answered, true);
  });

  it('wait while one runs, and go together into the next', async () => {
    const { queue, batches } = controlled();
    const first = queue.submit(submission());
    await turn();
    const later = [queue.submit(submission()), queue.submit(submission())];
    await turn();
    assert.deepEqual(
      batches.map(({ size }) => size),
      [1],
    );
    batches[0]?.commit();
    await first;
    await turn();
    assert.deepEqual(
      batches.map(({ size }) => size),
      [1, 2],
    );
    batches[1]?.commit();
    assert.deepEqual(
      (await Promise.all(later)).map(({ revision }) => revision),
      [2, 2],
    );
  });

  it('all hear when the database fails, and those behind them are not touched by it', async () => {
    const { queue, batches } = controlled();
    const failing = [queue.submit(submission()), queue.submit(submission())];
    await turn();
    const next = queue.submit(submission());
    batches[0]?.fail(new AppError('unavailable', 'the disk is full'));
    for (const receipt of failing) await assert.rejects(receipt, /disk is full/);
    await turn();
    batches[1]?.commit();
    assert.equal((await next).revision, 2);
  });

  it('go each by itself when one of them fails all', async () => {
    const { queue, batches } = controlled();
    const receipts = [queue.submit(submission()), queue.submit(submission())];
    await turn();
    batches[0]?.fail(new Error('only one of them is bad'));
    await turn();
    batches[1]?.commit();
    await turn();
    batches[2]?.fail(new Error('this one'));
    assert.equal((await receipts[0]!).verdicts.length, 1);
    await assert.rejects(receipts[1]!, /this one/);
    assert.deepEqual(
      batches.map(({ size }) => size),
      [2, 1, 1],
    );
  });

  it('are split when they are very many, but a large one is never refused', async () => {
    const { queue, batches } = controlled();
    const receipts = [queue.submit(submission(900)), queue.submit(submission(900)), queue.submit(submission(2_000))];
    for (let i = 0; i < 3; i++) {
      await turn();
      batches[i]?.commit();
    }
    await Promise.all(receipts);
    assert.deepEqual(
      batches.map(({ size }) => size),
      [1, 1, 1],
    );
  });

  it('are all answered before the queue is closed', async () => {
    const { queue, batches } = controlled();
    const receipts = [queue.submit(submission())];
    await turn();
    receipts.push(queue.submit(submission()));
    let closed = false;
    const closing = queue.close().then(() => {
      closed = true;
    });
    batches[0]?.commit();
    await turn();
    assert.equal(closed, false);
    batches[1]?.commit();
    await closing;
    await Promise.all(receipts);
  });
});
