// The sync client in sh: what a proper list makes of the kernel's routes and nft sets, and what it leaves alone.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createFakeHub, type FakeHub } from '../support/fake-hub.ts';
import { ADDRESSES, GATEWAYS, SCRIPT, ShHost } from './sh-host.ts';

const NODE_CLIENT = fileURLToPath(new URL('../../sync-client/main.ts', import.meta.url));
const TSX = createRequire(import.meta.url).resolve('tsx');
const LIST = ['198.18.0.7', '198.18.7.0/24', '203.0.113.9', '2001:db8::7', '2001:db8:5::/48'];

for (const enforcer of ['route', 'nftables'] as const) {
  describe(`banhub-sync.sh with ${enforcer}`, () => {
    let hub: FakeHub;
    let host: ShHost;

    beforeEach(async () => {
      hub = await createFakeHub();
      host = await ShHost.create(hub, { BANHUB_ENFORCE: enforcer });
    });

    afterEach(async () => {
      await host.remove();
      await hub.close();
    });

    const held = () => (enforcer === 'route' ? host.routes() : host.elements());
    const sync = async (...args: string[]) => {
      const result = await host.sync(...args);
      assert.equal(result.code, 0, result.stderr);
      return result;
    };

    it('blocks what the list has, addresses and networks of both families', async () => {
      hub.publish([...LIST]);
      await sync();
      assert.deepEqual(await held(), [...LIST].sort());
    });

    it('follows the list: what comes is blocked, what goes is free', async () => {
      hub.publish([...LIST]);
      await sync();
      const next = ['198.18.0.8', '198.18.8.0/24', ...LIST.slice(2, 4), '2001:db8:6::/48'];
      hub.publish([...next]);
      await sync();
      assert.deepEqual(await held(), next.sort());
    });

    it('changes nothing the second time, and asks the hub only whether the list is another one', async () => {
      hub.publish([...LIST]);
      await sync();
      const [before, beforeRules] = [await host.ip('-d', 'route', 'show'), await host.nft('-a', 'list', 'ruleset')];
      const { stdout, stderr } = await sync();
      assert.equal(stdout + stderr, '');
      assert.deepEqual(
        [await host.ip('-d', 'route', 'show'), await host.nft('-a', 'list', 'ruleset')],
        [before, beforeRules],
      );
      assert.deepEqual(
        hub.requests.map((request) => request.status),
        [200, 304],
      );
    });

    it('brings back what somebody took out by hand, and takes out what somebody put in', async () => {
      hub.publish([...LIST]);
      await sync();
      if (enforcer === 'route') {
        await host.ip('route', 'delete', 'blackhole', '198.18.0.7', 'proto', '166', 'metric', '4242');
        await host.ip('-6', 'route', 'delete', 'blackhole', '2001:db8:5::/48', 'proto', '166', 'metric', '4242');
        await host.ip('route', 'add', 'blackhole', '198.18.99.9', 'proto', '166', 'metric', '4242');
      } else {
        await host.nft('delete element inet banhub single4 { 198.18.0.7 }');
        await host.nft('delete element inet banhub network6 { 2001:db8:5::/48 }');
        await host.nft('add element inet banhub single4 { 198.18.99.9 }');
        await host.nft('add element inet banhub network4 { 198.18.99.0/24 }');
      }
      await sync();
      assert.deepEqual(await held(), [...LIST].sort());
    });

    it('empties what it holds when the hub says that the list is empty', async () => {
      hub.publish([...LIST]);
      await sync();
      hub.publish([]);
      await sync();
      assert.deepEqual(await held(), []);
    });

    it('leaves nothing of ours after flush, and everything of the administrator', async () => {
      await host.ip('route', 'add', 'blackhole', '198.18.50.0/24');
      await host.ip('route', 'add', 'blackhole', '198.18.51.1', 'proto', '166');
      await host.ip('route', 'add', 'blackhole', '198.18.51.2', 'proto', '166', 'metric', '5');
      await host.ip('route', 'add', 'blackhole', '198.18.51.3', 'metric', '4242');
      await host.ip('route', 'add', '198.18.52.0/24', 'via', GATEWAYS[0], 'metric', '4242');
      await host.nft('add table inet admin');
      await host.nft('add set inet admin banhub { type ipv4_addr; elements = { 198.18.53.1 } ; }');
      const before = [await host.ip('-d', 'route', 'show'), await host.nft('list', 'ruleset')];
      hub.publish([...LIST]);
      await sync();
      assert.deepEqual(await held(), [...LIST].sort());
      await sync('flush');
      assert.deepEqual([await host.ip('-d', 'route', 'show'), await host.nft('list', 'ruleset')], before);
    });

    it('leaves alone a route and a rule of the administrator for an address of the list', async () => {
      await host.ip('route', 'add', '198.18.0.7', 'via', GATEWAYS[0]);
      await host.nft('add table inet admin');
      hub.publish([...LIST]);
      await sync();
      hub.publish(['203.0.113.9']);
      await sync();
      assert.match(await host.ip('route', 'show', '198.18.0.7'), /198\.18\.0\.7 via/);
      assert.match(await host.nft('list', 'tables'), /table inet admin/);
    });

    it('takes lists of thousands, and moves between them', async () => {
      const many = Array.from({ length: 10_000 }, (_, i) => `198.18.${i >> 8}.${i & 255}`);
      hub.publish([...many]);
      await sync();
      assert.equal((await held()).length, 10_000);
      hub.publish([...many.slice(100), '198.20.0.1']);
      const { stdout } = await sync();
      assert.match(stdout, /1 added, 100 removed/);
      assert.equal((await held()).length, 9_901);
    });

    it('cuts off who is on the list, and only him', async () => {
      const attacker = await host.lan.addHost('attacker', { addresses: ['198.19.0.66/24', '2001:2:19::66/64'] });
      const neighbour = await host.lan.addHost('neighbour', { addresses: ['198.19.0.67/24', '2001:2:19::67/64'] });
      const answered = () =>
        Promise.all([attacker, neighbour].flatMap((from) => ADDRESSES.map((address) => from.reaches(address))));
      assert.deepEqual(await answered(), [true, true, true, true]);
      hub.publish(['198.19.0.66', '2001:2:19::66']);
      await sync();
      assert.deepEqual(await answered(), [false, false, true, true]);
      hub.publish([]);
      await sync();
      assert.deepEqual(await answered(), [true, true, true, true]);
    });

    it('takes over from the Node client, and the Node client from it, without touching anything', async () => {
      const inNode = async () => {
        const node = [process.execPath, '--import', TSX, NODE_CLIENT];
        const result = await host.host.run([...node, 'once', '--config', `${host.dir}/sync.conf`]);
        assert.equal(result.code, 0, result.stderr);
      };
      hub.publish(LIST);
      await sync();
      await sync('flush');
      await inNode();
      assert.deepEqual(await held(), [...LIST].sort());
      const before = [await host.ip('-d', 'route', 'show'), await host.nft('-a', 'list', 'ruleset')];
      assert.equal((await sync()).stdout, '');
      await inNode();
      assert.deepEqual([await host.ip('-d', 'route', 'show'), await host.nft('-a', 'list', 'ruleset')], before);
      await sync('flush');
      await sync();
      const made = await host.nft('-a', 'list', 'ruleset');
      await inNode();
      assert.equal(await host.nft('-a', 'list', 'ruleset'), made);
    });

    it('needs no more of its environment than cron gives it', async () => {
      hub.publish(LIST);
      await sync();
      await sync('flush');
      const cron = ['env', '-i', 'PATH=/usr/bin:/bin', 'sh', SCRIPT, '--config', `${host.dir}/sync.conf`];
      const { code, stderr } = await host.host.run(cron);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await held(), [...LIST].sort());
    });

    it('says with status what it holds', async () => {
      hub.publish([...LIST]);
      await sync();
      const { stdout } = await sync('status');
      assert.match(stdout, /list: 5 entries, revision 1/);
      assert.match(stdout, new RegExp(`${enforcer === 'route' ? 'routes' : 'nftables'}: 5`));
    });
  });
}

describe('banhub-sync.sh with nftables', () => {
  let hub: FakeHub;
  let host: ShHost;

  beforeEach(async () => {
    hub = await createFakeHub();
    host = await ShHost.create(hub, { BANHUB_ENFORCE: 'nftables' });
  });

  afterEach(async () => {
    await host.remove();
    await hub.close();
  });

  it('gives an interval set only the outermost networks, and the inner ones when those go', async () => {
    hub.publish([
      '198.18.0.0/16',
      '198.18.7.0/24',
      '198.18.7.128/25',
      '198.18.7.9',
      '2001:db8::/32',
      '2001:db8:5::/48',
    ]);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.elements(), ['198.18.0.0/16', '198.18.7.9', '2001:db8::/32']);
    assert.equal((await host.sync()).stdout, '');
    hub.publish(['198.18.7.0/24', '198.18.7.128/25', '198.18.7.9', '2001:db8:5::/48']);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.elements(), ['198.18.7.0/24', '198.18.7.9', '2001:db8:5::/48']);
  });

  for (const [what, damage] of [
    ['the table', 'delete table inet banhub'],
    ['the rules', 'flush chain inet banhub prerouting'],
    ['all rules of the machine', 'flush ruleset'],
    ['the chain', 'delete chain inet banhub prerouting'],
  ] as const) {
    it(`mends itself when somebody removed ${what}`, async () => {
      hub.publish([...LIST]);
      await host.sync();
      const before = await host.nft('list', 'ruleset');
      await host.nft(damage);
      assert.equal((await host.sync()).code, 0);
      assert.equal(await host.nft('list', 'ruleset'), before);
    });
  }

  it('takes out a range that somebody put in by hand', async () => {
    hub.publish(LIST);
    await host.sync();
    const before = await host.nft('list', 'ruleset');
    await host.nft('add element inet banhub network4 { 198.18.50.1-198.18.50.9 }');
    assert.equal((await host.sync()).code, 0);
    assert.equal(await host.nft('list', 'ruleset'), before);
  });

  it('makes the sets larger when the list outgrows them', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => `198.18.${i >> 8}.${i & 255}`);
    hub.publish([...many(1000)]);
    await host.sync();
    hub.publish([...many(20_000)]);
    const { code, stderr } = await host.sync();
    assert.equal(code, 0, stderr);
    assert.equal((await host.elements()).length, 20_000);
  });
});
