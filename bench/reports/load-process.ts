// Bench, load, a process of its own: carries out one task at a time and says what came of it.
import { median } from '../comparison.ts';
import { commitToMariaDb, commitToSqlite } from './bare-commits.ts';
import { type ReportRun, sendReports } from './report-connection.ts';

export type LoadTask =
  | { kind: 'reports'; port: number; token: string; clients: number; seconds: number; first: number }
  | { kind: 'mariadb'; url: string; clients: number; seconds: number }
  | { kind: 'sqlite'; path: string; seconds: number };

export interface LoadResult {
  readonly perSecond: number;
  /** How many were done: for reports, the addresses from `first` on, every one of them acknowledged. */
  readonly count: number;
  /** Milliseconds of one report, median and 99th percentile; of `reports` alone. */
  readonly p50?: number;
  readonly p99?: number;
}

export type LoadAnswer = { kind: 'done'; result: LoadResult } | { kind: 'failed'; detail: string };

process.on('message', async (task: LoadTask) => {
  let answer: LoadAnswer;
  try {
    answer = { kind: 'done', result: await carryOut(task) };
  } catch (error) {
    answer = { kind: 'failed', detail: error instanceof Error ? error.message : String(error) };
  }
  process.send?.(answer);
});
process.on('disconnect', () => process.exit());

async function carryOut(task: LoadTask): Promise<LoadResult> {
  if (task.kind === 'reports') return report(task);
  const { commits, elapsed } =
    task.kind === 'mariadb'
      ? await commitToMariaDb(task.url, task.clients, task.seconds)
      : commitToSqlite(task.path, task.seconds);
  return { count: commits, perSecond: (commits / elapsed) * 1_000 };
}

async function report({ port, token, clients, seconds, first }: LoadTask & { kind: 'reports' }): Promise<LoadResult> {
  const start = performance.now();
  const run: ReportRun = { until: start + seconds * 1_000, next: first, latencies: [] };
  await Promise.all(Array.from({ length: clients }, () => sendReports({ port, token }, run)));
  const elapsed = performance.now() - start;
  const count = run.latencies.length;
  if (count !== run.next - first) throw new Error(`${run.next - first} sent and ${count} acknowledged`);
  const slowest = [...run.latencies].sort((a, b) => a - b)[Math.floor(count * 0.99)] ?? Number.NaN;
  return { count, perSecond: (count / elapsed) * 1_000, p50: median(run.latencies), p99: slowest };
}
