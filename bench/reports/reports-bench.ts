// Bench: how many reports a hub acknowledges in a second, each alone in its request as fail2ban's curl sends them.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { startMariaDb } from '../../test/support/mariadb.ts';
import { addressesFrom } from '../addresses.ts';
import type { Bench, BenchOptions } from '../bench.ts';
import { nextMessage, startModule } from '../child-process.ts';
import { type Comparison, compare, figureOf } from '../comparison.ts';
import { cpuTimeOf } from '../cpu-time.ts';
import { type HubProcess, startHub } from '../hub-process.ts';
import { type StockedDatabase, stockMariaDb, stockSqlite } from '../stocked-database.ts';
import type { LoadAnswer, LoadResult, LoadTask } from './load-process.ts';

const CLIENTS = [1, 16, 64] as const;
const SIZES = [0, 100_000] as const;
const ENGINES = ['SQLite', 'MariaDB'] as const;
/** Before the first run on a new hub, so that its code is compiled. */
const WARM_UP_SECONDS = 1;

export const reportsBench: Bench = {
  name: 'reports',
  title: 'Reports acknowledged per second, one in each request, every address new',
  notes: [
    'Acknowledged means committed: SQLite with synchronous=FULL, MariaDB with innodb_flush_log_at_trx_commit=1.',
    'Each run begins with a copy of the database; at its end the list held exactly the acknowledged addresses.',
    'Commits: single-row transactions of a bare client with as many connections (SQLite: one). CPU: of the server.',
  ],
  run: benchReports,
};

/** Runs by what was measured. */
class Samples {
  readonly #rates = new Map<string, { rates: number[]; cpu: number[]; p50: number[]; p99: number[] }>();

  add(key: string, { perSecond, p50, p99 }: LoadResult, cpu?: number): void {
    const known = this.#rates.get(key) ?? { rates: [], cpu: [], p50: [], p99: [] };
    this.#rates.set(key, known);
    known.rates.push(perSecond);
    if (cpu !== undefined) known.cpu.push(cpu);
    if (p50 !== undefined && p99 !== undefined) {
      known.p50.push(p50);
      known.p99.push(p99);
    }
  }

  rate(key: string) {
    const { rates, cpu } = this.#of(key);
    return figureOf(rates, cpu.length > 0 ? cpu : undefined);
  }

  latency(key: string, which: 'p50' | 'p99') {
    return figureOf(this.#of(key)[which]);
  }

  #of(key: string) {
    const known = this.#rates.get(key);
    assert(known, key);
    return known;
  }
}

async function benchReports(options: BenchOptions): Promise<Comparison[]> {
  const { runs, seconds, folder, defer, say } = options;
  say('starting MariaDB, stocking lists of 100,000');
  const mariaDb = await startMariaDb();
  defer(() => mariaDb.remove());
  const stocks = new Map<string, StockedDatabase>();
  for (const size of SIZES) {
    stocks.set(keyOf('SQLite', size), await stockSqlite(folder, size));
    stocks.set(keyOf('MariaDB', size), await stockMariaDb(mariaDb, folder, size));
  }
  const load = startModule('reports/load-process.ts');
  defer(() => load.kill());
  const bare = startModule('bare-server.ts');
  defer(() => bare.kill());
  const barePort = await nextMessage<number>(bare);
  const floorUrl = await mariaDb.createDatabase();

  const samples = new Samples();
  for (let run = 1; run <= runs; run++) {
    say(`run ${run} of ${runs}`);
    for (const clients of CLIENTS) {
      const task: LoadTask = { kind: 'reports', port: barePort, token: 'none', clients, seconds, first: 0 };
      samples.add(keyOf('node:http', clients), ...(await timed(bare.pid!, () => carryOut(load, task))));
      const commits = await carryOut(load, { kind: 'mariadb', url: floorUrl, clients, seconds });
      samples.add(keyOf('MariaDB commits', clients), commits);
    }
    const path = join(folder, 'floor.db');
    samples.add(keyOf('SQLite commits'), await carryOut(load, { kind: 'sqlite', path, seconds }));
    for (const [key, stock] of stocks) await runOnce(key, stock, { load, samples, options });
  }
  return comparisonsOf(samples);
}

interface RunParts {
  readonly load: ChildProcess;
  readonly samples: Samples;
  readonly options: BenchOptions;
}

/** One hub on one copy, with few clients, then more. */
async function runOnce(key: string, stock: StockedDatabase, { load, samples, options }: RunParts): Promise<void> {
  const { folder, seconds, defer } = options;
  const database = await stock.copy();
  const hub = await startHub({ database: database.url, log: join(folder, 'hub.log') });
  defer(() => hub.stop());
  const size = Number(key.split(' ')[1]);
  const task = { kind: 'reports', port: hub.port, token: stock.token } as const;
  let first = size;
  const warmUp = await carryOut(load, { ...task, clients: 16, seconds: WARM_UP_SECONDS, first });
  first += warmUp.count;
  for (const clients of CLIENTS) {
    const [result, cpu] = await timed(hub.pid, () => carryOut(load, { ...task, clients, seconds, first }));
    first += result.count;
    samples.add(keyOf(key, clients), result, cpu);
  }
  await expectList(hub, stock.token, first);
  await hub.stop();
  await database.remove();
}

/** With the CPU milliseconds that one of its operations cost the process. */
async function timed(pid: number, work: () => Promise<LoadResult>): Promise<[LoadResult, number]> {
  const before = cpuTimeOf(pid);
  const result = await work();
  return [result, (cpuTimeOf(pid) - before) / result.count];
}

/** The list is the stock and what was acknowledged since: nothing lost, nothing else. */
async function expectList(hub: HubProcess, token: string, count: number): Promise<void> {
  const answer = await fetch(`${hub.url}/blocklist.txt`, { headers: { authorization: `Bearer ${token}` } });
  const list = (await answer.text()).split('\n').slice(0, -1);
  assert.deepEqual(list.sort(), addressesFrom(0, count).sort(), 'the list is not what was acknowledged');
}

async function carryOut(load: ChildProcess, task: LoadTask): Promise<LoadResult> {
  load.send(task);
  const answer = await nextMessage<LoadAnswer>(load);
  if (answer.kind === 'failed') throw new Error(`load: ${answer.detail}`);
  return answer.result;
}

function comparisonsOf(samples: Samples): Comparison[] {
  return ENGINES.flatMap((engine) => SIZES.flatMap((size) => comparisonsOn(engine, size, samples)));
}

function comparisonsOn(engine: (typeof ENGINES)[number], size: number, samples: Samples): Comparison[] {
  const list = size === 0 ? 'empty list' : `list of ${size.toLocaleString('en-US')}`;
  const rates = CLIENTS.map((clients) => {
    const commits = engine === 'SQLite' ? keyOf('SQLite commits') : keyOf('MariaDB commits', clients);
    return compare({
      measure: `${engine}, ${list}, ${clients} client${clients === 1 ? '' : 's'}`,
      unit: 'per second',
      ours: samples.rate(keyOf(keyOf(engine, size), clients)),
      peers: {
        'bare node:http': samples.rate(keyOf('node:http', clients)),
        [`bare ${engine} commits`]: samples.rate(commits),
      },
    });
  });
  const answers = ([1, 64] as const).flatMap((clients) =>
    (['p50', 'p99'] as const).map((which) => {
      const ours = samples.latency(keyOf(keyOf(engine, size), clients), which);
      return compare({
        measure: `  answer after, ${clients === 1 ? '1 client' : `${clients} clients`}, ${which}`,
        unit: 'milliseconds',
        ours,
      });
    }),
  );
  return [...rates, ...answers];
}

function keyOf(name: string, number?: number): string {
  return number === undefined ? name : `${name} ${number}`;
}
