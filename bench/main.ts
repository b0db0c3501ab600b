// Bench: the command line: runs the benches that are named, or all; prints a table for each and keeps the results.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench } from './bench.ts';
import { enforceBench } from './enforce/enforce-bench.ts';
import { describeMachine, isInMemory } from './machine.ts';
import { pullsBench } from './pulls/pulls-bench.ts';
import { reportsBench } from './reports/reports-bench.ts';
import { tableOf } from './table.ts';

const BENCHES: readonly Bench[] = [reportsBench, pullsBench, enforceBench];
const RESULTS = 'bench/results';

const USAGE = `Usage: npm run bench [-- NAME … [--runs N] [--seconds S]]

  NAME         ${BENCHES.map(({ name }) => name).join(', ')}; all when none is named
  --runs N     how often each thing is measured; the median counts (5)
  --seconds S  how long one measurement of a rate takes (2)

Runs of other than the usual number and length are printed and not kept in ${RESULTS}/.
`;

const undos: (() => unknown)[] = [];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const unknown = positionals.find((wanted) => !BENCHES.some(({ name }) => name === wanted));
  const [runs, seconds] = [Number(values.runs), Number(values.seconds)];
  const wrong = unknown !== undefined || !(Number.isInteger(runs) && runs > 0 && seconds > 0);
  if (wrong || values.help) {
    process[wrong ? 'stderr' : 'stdout'].write(USAGE);
    return wrong ? 2 : 0;
  }
  const keep = values.runs === '5' && values.seconds === '2';
  const chosen = BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  for (const bench of chosen) await runBench(bench, { runs, seconds, keep });
  return 0;
}

async function runBench(bench: Bench, options: { runs: number; seconds: number; keep: boolean }): Promise<void> {
  const { runs, seconds, keep } = options;
  const folder = mkdtempSync(join(tmpdir(), 'banhub-bench-'));
  const defer = (undo: () => unknown) => void undos.push(undo);
  const say = (text: string) => void process.stderr.write(`${bench.name}: ${text}\n`);
  defer(() => rmSync(folder, { recursive: true, force: true }));
  if (isInMemory(folder)) say(`${folder} lies in memory: commits cost nothing there. Set TMPDIR to a folder on disk.`);
  const machine = describeMachine(folder);
  const comparisons = await bench.run({ runs, seconds, folder, defer, say });
  await undoAll();
  const { cores, memoryGiB, processor, kernel, diskSyncMs, versions } = machine;
  const where = `${cores} cores (${processor}), ${memoryGiB} GiB, Linux ${kernel}, Node ${versions.node}`;
  const how = `Medians of ${runs} runs; load, hub and peers share the machine: ${where}, disk sync ${diskSyncMs} ms.`;
  process.stdout.write(`\n${bench.title}\n\n${tableOf(comparisons)}\n${[how, ...bench.notes].join('\n')}\n`);
  if (!keep) return;
  const { name, title, notes } = bench;
  const result = { name, title, date: new Date().toISOString(), machine, runs, notes, comparisons };
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(result, null, 1)}\n`);
}

async function undoAll(): Promise<void> {
  for (let undo = undos.pop(); undo; undo = undos.pop()) {
    try {
      await undo();
    } catch (error) {
      process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void undoAll().finally(() => process.exit(130)));
}
try {
  process.exitCode = await main();
} catch (error) {
  await undoAll();
  process.stderr.write(`bench: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}
// A peer that will not end must not hold the bench up.
process.exit();
