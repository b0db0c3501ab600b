// Bench: the client for hosts without Node, on a list that a shell can carry.
import type { BenchOptions } from '../bench.ts';
import { type Comparison, compare } from '../comparison.ts';
import { Costs, costOf } from './costs.ts';
import { byNftables, byRoute } from './enforced.ts';
import type { NamespaceHub } from './namespace-hub.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { configureClient, SH_CLIENT } from './sync-client.ts';

export interface ShClientPlace {
  readonly hub: NamespaceHub;
  readonly namespace: NetworkNamespace;
}

export async function compareShClient(
  place: ShClientPlace,
  { runs, folder, say }: BenchOptions,
): Promise<Comparison[]> {
  const { hub, namespace } = place;
  const comparisons: Comparison[] = [];
  for (const { name, settings, clear } of [byRoute, byNftables]) {
    say(`${name}: sh client`);
    const client = configureClient({ program: SH_CLIENT, settings, hub, namespace, folder, name: `sh-${name}` });
    const [first, again] = [new Costs(), new Costs()];
    for (let run = 0; run < runs; run++) {
      await namespace.shell(clear);
      client.forget();
      first.add(await costOf({ namespace }, client.once));
      again.add(await costOf({ namespace }, client.once));
    }
    const label = `sh client, ${name}, ${hub.size.toLocaleString('en-US')}`;
    comparisons.push(
      compare({ measure: `${label}: first apply`, unit: 'milliseconds', ours: first.wall }),
      compare({
        measure: '  nothing changed',
        unit: 'milliseconds',
        ours: again.wall,
        target: { kind: 'at most', value: 500 },
      }),
      compare({ measure: '    CPU', unit: 'milliseconds', ours: again.cpu }),
    );
  }
  return comparisons;
}
