// The enforcers that live in the kernel, on the real one: what they set, read back, mend, and leave alone.
import assert from 'node:assert/strict';
import { addressOf } from '../../server/core/address.ts';
import { Blocklist } from '../../sync-client/blocklist.ts';
import type { Enforcer } from '../../sync-client/enforce/enforcer.ts';
import { ipsetEnforcer } from '../../sync-client/enforce/ipset.ts';
import { nftablesEnforcer } from '../../sync-client/enforce/nftables.ts';
import { routeEnforcer } from '../../sync-client/enforce/route.ts';
import { Enforcement } from '../../sync-client/enforcement.ts';
import { Guards } from '../../sync-client/guards.ts';
import { createLan, type Host, type Lan } from '../support/namespaces.ts';

const HOST = '198.18.0.2';
const ATTACKER = '198.18.0.66';
const HOST6 = '2001:2::2';
const ATTACKER6 = '2001:2::66';

/** Singles beside, inside and outside of networks; networks that touch, and that contain each other; both families. */
const LIST = [
  '198.18.7.7',
  '198.19.0.0/16',
  '198.19.3.0/24',
  '198.19.3.4',
  '198.18.8.0/25',
  '198.18.8.128/25',
  '::1.2.3.4',
  '2001:2:0:7::7',
  '2001:2:0:8::/64',
  '2001:2:0:9::/64',
  '2001:2:0:8::/65',
  '2001:2:0:8::1',
];

const RULE_OF_NETWORKS6 = `nft -a list chain inet banhub prerouting | sed -n 's/.*@network6.*handle //p'`;

const noGuards = new Guards([]);
const listOf = (texts: readonly string[]) => new Blocklist(texts.map(addressOf));

/** One round with a full comparison, as `once` does it. */
async function enforceAll(
  enforcer: Enforcer,
  texts: readonly string[],
): Promise<{ log: string[]; errors: readonly string[] }> {
  const log: string[] = [];
  const enforcement = new Enforcement({ enforcers: [enforcer], log: (line) => log.push(line) });
  enforcement.setList(listOf(texts), noGuards);
  const { errors } = await enforcement.enforce(new Map(), 1);
  return { log, errors };
}

interface KernelCase {
  name: string;
  create: (host: Host) => Enforcer;
  /** Something of the administrator's that looks much like ours, and how it is seen. */
  administrator: string[][];
  seen: string[][];
  /** What is left of ours after a flush must be none of these words. */
  traces: { command: string[]; word: string }[];
  /** Takes 198.18.7.7 out by hand. */
  removeByHand: string[];
  /** Breaks what we set up. */
  breakages: string[][];
}

const CASES: KernelCase[] = [
  {
    name: 'route',
    create: (host) => routeEnforcer(host.run),
    administrator: [
      ['ip', 'route', 'add', 'blackhole', '198.18.7.7', 'metric', '50'],
      ['ip', 'route', 'add', 'blackhole', '198.19.3.4', 'proto', '166', 'metric', '7'],
      ['ip', 'route', 'add', 'unreachable', '203.0.113.0/24', 'proto', '166'],
      ['ip', '-6', 'route', 'add', 'blackhole', '2001:2:0:7::7', 'metric', '50'],
    ],
    seen: [
      ['ip', '-d', 'route', 'show'],
      ['ip', '-d', '-6', 'route', 'show'],
    ],
    traces: [
      { command: ['ip', 'route', 'show'], word: '4242' },
      { command: ['ip', '-6', 'route', 'show'], word: '4242' },
    ],
    removeByHand: ['ip', 'route', 'del', 'blackhole', '198.18.7.7', 'proto', '166'],
    breakages: [['ip', 'route', 'flush', 'proto', '166', 'metric', '4242']],
  },
  {
    name: 'nftables',
    create: (host) => nftablesEnforcer(host.run),
    administrator: [
      ['nft', 'add', 'table', 'ip', 'banhub'],
      ['nft', 'add', 'table', 'inet', 'filter'],
      ['nft', 'add', 'set', 'inet', 'filter', 'single4', '{ type ipv4_addr; }'],
      ['nft', 'add', 'element', 'inet', 'filter', 'single4', '{ 198.18.7.7 }'],
    ],
    seen: [['nft', 'list', 'ruleset']],
    traces: [{ command: ['nft', 'list', 'ruleset'], word: 'inet banhub' }],
    removeByHand: ['nft', 'delete', 'element', 'inet', 'banhub', 'single4', '{ 198.18.7.7 }'],
    breakages: [
      ['nft', 'flush', 'chain', 'inet', 'banhub', 'prerouting'],
      ['bash', '-c', `nft delete rule inet banhub prerouting handle $(${RULE_OF_NETWORKS6})`],
      ['nft', 'delete', 'table', 'inet', 'banhub'],
      ['nft', 'flush', 'table', 'inet', 'banhub'],
    ],
  },
  {
    name: 'ipset',
    create: (host) => ipsetEnforcer({ run: host.run, ownRule: true }),
    administrator: [
      ['ipset', 'create', 'banhub-mine', 'hash:ip'],
      ['ipset', 'add', 'banhub-mine', '198.18.7.7'],
      ['iptables', '-t', 'raw', '-A', 'PREROUTING', '-m', 'set', '--match-set', 'banhub-mine', 'src', '-j', 'DROP'],
    ],
    seen: [
      ['ipset', 'save'],
      ['iptables', '-t', 'raw', '-S'],
      ['ip6tables', '-t', 'raw', '-S'],
    ],
    traces: [
      { command: ['iptables', '-t', 'raw', '-S'], word: 'comment banhub' },
      { command: ['ip6tables', '-t', 'raw', '-S'], word: 'comment banhub' },
      { command: ['ipset', 'list', '-n'], word: 'banhub4' },
      { command: ['ipset', 'list', '-n'], word: 'banhub6' },
    ],
    removeByHand: ['ipset', 'del', 'banhub4', '198.18.7.7'],
    breakages: [
      ['iptables', '-t', 'raw', '-F'],
      ['ip6tables', '-t', 'raw', '-F'],
      ['ipset', 'del', 'banhub', 'banhub6net'],
    ],
  },
];

for (const kernel of CASES) {
  describe(`the ${kernel.name} enforcer on a real kernel`, () => {
    let lan: Lan;
    let host: Host;
    let attacker: Host;
    let enforcer: Enforcer;

    beforeEach(async () => {
      lan = await createLan();
      host = await lan.addHost('host', { addresses: [`${HOST}/15`, `${HOST6}/48`] });
      attacker = await lan.addHost('attacker', { addresses: [`${ATTACKER}/15`, `${ATTACKER6}/48`] });
      enforcer = kernel.create(host);
    });
    afterEach(() => lan.close());

    const heldBy = async (): Promise<string[]> => [...(await enforcer.read()).entries.keys()].sort();
    const outputs = async (): Promise<string> =>
      (await Promise.all(kernel.seen.map((command) => host.exec(command)))).map(({ stdout }) => stdout).join('---\n');

    it('blocks an attacker in both families, and lets him in again', async () => {
      assert.equal(await attacker.reaches(HOST), true);
      assert.equal(await attacker.reaches(HOST6), true);
      assert.deepEqual((await enforceAll(enforcer, [ATTACKER, ATTACKER6])).errors, []);
      assert.equal(await attacker.reaches(HOST), false);
      assert.equal(await attacker.reaches(HOST6), false);
      await enforceAll(enforcer, []);
      assert.equal(await attacker.reaches(HOST), true);
      assert.equal(await attacker.reaches(HOST6), true);
    });

    it('blocks an attacker by his network', async () => {
      assert.equal(await attacker.reaches(HOST), true);
      await enforceAll(enforcer, ['198.18.0.64/29', '2001:2::64/126']);
      assert.equal(await attacker.reaches(HOST), false);
      assert.equal(await attacker.reaches(HOST6), false);
    });

    it('changes nothing when the list is enforced a second time, overlapping networks included', async () => {
      assert.match((await enforceAll(enforcer, LIST)).log.join(), / 0 removed/);
      const before = await outputs();
      const second = await enforceAll(enforcer, LIST);
      assert.deepEqual(second, { log: [], errors: [] });
      assert.equal(await outputs(), before);
    });

    it('goes from any list to any other', async () => {
      for (const list of [LIST, LIST.slice(3), ['198.19.3.0/24', '198.18.7.7'], [], ['198.19.0.0/17'], LIST]) {
        assert.deepEqual((await enforceAll(enforcer, list)).errors, []);
        assert.deepEqual((await enforceAll(enforcer, list)).log, []);
      }
    });

    it('goes from any list to any other by changes, unread', async () => {
      const log: string[] = [];
      const enforcement = new Enforcement({ enforcers: [enforcer], log: (line) => log.push(line) });
      enforcement.setList(listOf(LIST), noGuards);
      await enforcement.enforce(new Map(), 1);
      let now = LIST;
      for (const next of [LIST.slice(2), LIST.slice(0, 3), ['198.19.3.4'], LIST, [], LIST]) {
        const add = next.filter((text) => !now.includes(text)).map(addressOf);
        const remove = now.filter((text) => !next.includes(text)).map(addressOf);
        enforcement.changeList({ add, remove }, noGuards);
        assert.deepEqual((await enforcement.enforce(new Map(), 2)).errors, []);
        assert.deepEqual((await enforceAll(enforcer, next)).log, [], `a full comparison agrees after ${next}`);
        now = next;
      }
    });

    it('puts back what was removed by hand', async () => {
      await enforceAll(enforcer, LIST);
      await host.exec(kernel.removeByHand);
      const mended = await enforceAll(enforcer, LIST);
      assert.deepEqual(mended.log, [`${kernel.name}: 1 added, 0 removed; revision 1`]);
      assert.deepEqual((await enforceAll(enforcer, LIST)).log, []);
    });

    for (const breakage of kernel.breakages) {
      it(`puts all back after ${breakage.join(' ')}`, async () => {
        await enforceAll(enforcer, [...LIST, ATTACKER]);
        assert.equal(await enforcer.intact(), true);
        await host.exec(breakage);
        if (kernel.name !== 'route') assert.equal(await enforcer.intact(), false);
        assert.deepEqual((await enforceAll(enforcer, [...LIST, ATTACKER])).errors, []);
        assert.equal(await enforcer.intact(), true);
        assert.equal(await attacker.reaches(HOST), false);
        assert.deepEqual((await enforceAll(enforcer, [...LIST, ATTACKER])).log, []);
      });
    }

    it('never touches what an administrator made, and leaves nothing of ours after a flush', async () => {
      for (const command of kernel.administrator) await host.exec(command);
      const before = await outputs();
      assert.deepEqual((await enforceAll(enforcer, LIST)).errors, []);
      assert.deepEqual((await enforceAll(enforcer, ['198.18.9.9'])).errors, []);
      await enforceAll(enforcer, LIST);
      assert.equal((await heldBy()).includes('198.18.7.7'), true);
      assert.ok((await enforcer.flush()) >= 9);
      assert.equal(await outputs(), before);
      for (const { command, word } of kernel.traces) {
        assert.equal((await host.exec(command)).stdout.includes(word), false, `${word} in ${command.join(' ')}`);
      }
      assert.equal(await enforcer.flush(), 0);
    });

    it('says that it would work here', async () => {
      const before = await outputs();
      assert.deepEqual(
        (await enforcer.check()).filter(({ ok }) => !ok),
        [],
      );
      assert.equal(await outputs(), before);
    });
  });
}
