// Bench: what a change of ten costs a running daemon, and the bare command.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../test/support/until.ts';
import type { BenchOptions } from '../bench.ts';
import { type Figure, figureOf } from '../comparison.ts';
import { cpuTimeOf, residentMemoryOf } from '../cpu-time.ts';
import { Costs, costOf } from './costs.ts';
import type { Subject } from './subject.ts';

/** Changes in one run, half of them removals: the kernel counts a process's CPU time in steps of 10 ms. */
const CHANGES = 4;

export interface ChangeCosts {
  /** CPU milliseconds of a change. */
  readonly ours: Figure;
  readonly bare: Figure;
  /** MiB of the daemon after all changes. */
  readonly memory: Figure;
}

/** The whole list must be enforced. */
export async function measureChanges(
  subject: Subject,
  { runs, defer }: Pick<BenchOptions, 'runs' | 'defer'>,
): Promise<ChangeCosts> {
  const { hub, client } = subject;
  const daemon = client.run();
  defer(() => daemon.stop());
  // So that it has started, and each way was gone once.
  await changeAndWait(subject, 'add');
  await changeAndWait(subject, 'remove');
  const ours: number[] = [];
  const memory: number[] = [];
  for (let run = 0; run < runs; run++) {
    const before = cpuTimeOf(daemon.pid);
    for (let change = 0; change < CHANGES; change++) {
      await changeAndWait(subject, change % 2 === 0 ? 'add' : 'remove');
    }
    ours.push((cpuTimeOf(daemon.pid) - before) / CHANGES);
    memory.push(residentMemoryOf(daemon.pid));
  }
  await daemon.stop();
  const addresses = await hub.change('add');
  const bare = new Costs();
  for (let run = 0; run < runs; run++) {
    for (const verb of ['add', 'remove'] as const) bare.add(await changeBarely(subject, verb, addresses));
  }
  await hub.change('remove');
  return { ours: figureOf(ours), bare: bare.cpu, memory: figureOf(memory) };
}

/** Changes the hub's list and returns when the host enforces the change. */
async function changeAndWait({ enforced, hub, namespace }: Subject, verb: 'add' | 'remove'): Promise<void> {
  const addresses = await hub.change(verb);
  const last = addresses.at(-1) ?? '';
  const holds = async () => (await namespace.shell(enforced.holds(last))).code === 0;
  const what = `${enforced.name}: the change is enforced`;
  await until(async () => (await holds()) === (verb === 'add'), { what, seconds: 60 });
}

function changeBarely(subject: Subject, verb: 'add' | 'remove', addresses: readonly string[]) {
  const { enforced, folder } = subject;
  const file = join(folder, 'bare-change');
  writeFileSync(file, enforced.change(verb, addresses));
  const { command, fromInput } = enforced.apply;
  return costOf(subject, command(file), fromInput ? file : undefined);
}
