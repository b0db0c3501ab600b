// Bench: what it costs a host to enforce the list: the first time, and for a small change, beside the bare commands.
import { join } from 'node:path';
import { createFail2ban } from '../../test/support/fail2ban.ts';
import { until } from '../../test/support/until.ts';
import type { Bench, BenchOptions } from '../bench.ts';
import { type Comparison, compare, type Figure, type Target } from '../comparison.ts';
import { measureChanges } from './changes.ts';
import { Costs, costOf } from './costs.ts';
import { byFail2ban, byFile, byIpset, byNftables, byRoute, type Enforced } from './enforced.ts';
import { type NamespaceHub, startNamespaceHub } from './namespace-hub.ts';
import { NetworkNamespace } from './network-namespace.ts';
import { compareShClient } from './sh-client.ts';
import type { Subject } from './subject.ts';
import { configureClient, NODE_CLIENT } from './sync-client.ts';

const SIZE = 100_000;
/** What fail2ban and a shell can carry. */
const SMALL_SIZE = 10_000;

/** Of a first apply, by enforcer; to fetch a file and to check a list are not the same. */
const FIRST_APPLY: Readonly<Record<string, Target>> = {
  route: { kind: 'ratio at most', value: 1.3 },
  nftables: { kind: 'ratio at most', value: 1.3 },
  ipset: { kind: 'ratio at most', value: 1.3 },
  fail2ban: { kind: 'ratio at most', value: 1.5 },
};

export const enforceBench: Bench = {
  name: 'enforce',
  title: `Enforcing the list, ${SIZE.toLocaleString('en-US')} addresses where nothing else is said`,
  notes: [
    'First apply: `banhub-sync once` as a whole command: start, pull, check, plan, apply. The bare command gets what',
    'the client made, saved from the kernel; for `file`, curl fetches the list. Both begin with nothing set. The target',
    'is against the first bare command.',
    'Change: ten addresses come or go. Ours: CPU of the running daemon and its children, its poll of the hub included.',
    'CPU of fail2ban: with that of its server. Its jail has no action, so it is the way to the jail that is measured.',
  ],
  run: benchEnforce,
};

async function benchEnforce(options: BenchOptions): Promise<Comparison[]> {
  const { folder, defer, say } = options;
  const namespace = new NetworkNamespace(`banhub-bench-${process.pid}`);
  defer(() => namespace.remove());
  say(`stocking lists of ${SIZE} and ${SMALL_SIZE}`);
  const large = await startNamespaceHub(SIZE, namespace, options);
  const small = await startNamespaceHub(SMALL_SIZE, namespace, options);
  const prefix = [...namespace.prefix];
  const fail2ban = await createFail2ban({ jails: [{ name: 'banhub', actions: [], bantime: '-1' }], prefix });
  defer(() => fail2ban.remove());
  await fail2ban.start();
  const server = Number(await namespace.expect(`cat ${fail2ban.dir}/pid`));

  const subjectOf = (enforced: Enforced, hub: NamespaceHub): Subject => {
    const settings = { ...enforced.settings, BANHUB_INTERVAL: '1' };
    const client = configureClient({ program: NODE_CLIENT, settings, hub, namespace, folder, name: enforced.name });
    return { enforced, hub, client, namespace, folder, server: enforced.name === 'fail2ban' ? server : undefined };
  };
  const subjects = [
    ...[byRoute, byNftables, byIpset, byFile(join(folder, 'enforced.txt'), large.curlConfig)].map((enforced) =>
      subjectOf(enforced, large),
    ),
    subjectOf(byFail2ban(join(fail2ban.dir, 'sock'), 'banhub'), small),
  ];
  const comparisons: Comparison[] = [];
  for (const subject of subjects) comparisons.push(...(await measure(subject, options)));
  return [...comparisons, ...(await compareShClient({ hub: small, namespace }, options))];
}

async function measure(subject: Subject, { runs, say, defer }: BenchOptions): Promise<Comparison[]> {
  const { enforced, hub, client, namespace, folder } = subject;
  const { name } = enforced;
  const label = hub.size === SIZE ? name : `${name}, ${hub.size.toLocaleString('en-US')}`;
  say(`${name}: first apply`);
  await applyAnew(subject, client.once);
  const peers = enforced.peers.map((peer, index) => ({
    ...peer,
    text: join(folder, `${name}.${index}`),
    costs: new Costs(),
  }));
  for (const { save, text } of peers) await namespace.expect(`(${save}) > ${text}`);
  const [ours, again] = [new Costs(), new Costs()];
  for (let run = 0; run < runs; run++) {
    for (const { text, costs } of peers) {
      costs.add(await applyAnew(subject, enforced.apply.command(text), enforced.apply.fromInput ? text : undefined));
    }
    ours.add(await applyAnew(subject, client.once));
    again.add(await costOf(subject, client.once));
  }
  say(`${name}: changes`);
  const changes = await measureChanges(subject, { runs, defer });
  await namespace.shell(enforced.clear);
  const of = (figure: (costs: Costs) => Figure) =>
    Object.fromEntries(peers.map((peer) => [peer.name, figure(peer.costs)]));
  return [
    compare({
      measure: `${label}: first apply`,
      unit: 'milliseconds',
      ours: ours.wall,
      peers: of((costs) => costs.wall),
      target: FIRST_APPLY[name],
    }),
    compare({ measure: '  CPU', unit: 'milliseconds', ours: ours.cpu, peers: of((costs) => costs.cpu) }),
    compare({ measure: '  nothing changed', unit: 'milliseconds', ours: again.wall }),
    compare({ measure: '    CPU', unit: 'milliseconds', ours: again.cpu }),
    compare({
      measure: '  change of 10, CPU',
      unit: 'milliseconds',
      ours: changes.ours,
      peers: { [enforced.peers[0].name]: changes.bare },
      target: { kind: 'at most', value: 100 },
    }),
    compare({
      measure: '  memory of the daemon',
      unit: 'MiB',
      ours: changes.memory,
      target: { kind: 'at most', value: 80 },
    }),
  ];
}

/** Applies the whole list to nothing, and makes sure that it did. */
async function applyAnew(subject: Subject, command: readonly string[], input?: string) {
  const { enforced, hub, client, namespace } = subject;
  await namespace.shell(enforced.clear);
  client.forget();
  const cost = await costOf(subject, command, input);
  // While the kernel still grows a set it may leave out some of it when asked.
  const held = async () => new Set((await namespace.expect(enforced.held)).match(/\b\d+\.\d+\.\d+\.\d+\b/g)).size;
  await until(async () => (await held()) === hub.size, { what: `${enforced.name} holds the list`, seen: held });
  return cost;
}
