// The sync client in sh: how much of a list it may trust, what it never blocks, and what it does while the hub is away.
import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { createFakeHub, type FakeHub } from '../support/fake-hub.ts';
import { GOOD, status } from './answers.ts';
import { ADDRESSES, GATEWAYS, RESOLVER, ShHost } from './sh-host.ts';

describe('banhub-sync.sh and a list that it can take', () => {
  let hub: FakeHub;
  let host: ShHost;

  beforeEach(async () => {
    hub = await createFakeHub();
    host = await ShHost.create(hub);
  });

  afterEach(async () => {
    await host.remove();
    await hub.close();
  });

  const many = (count: number, third = 0) =>
    Array.from({ length: count }, (_, i) => `198.18.${third + (i >> 8)}.${i & 255}`);

  it('enforces the last good list when the host starts while the hub is away', async () => {
    hub.publish([...GOOD]);
    await host.sync();
    await host.ip('route', 'flush', 'proto', '166');
    await host.ip('-6', 'route', 'flush', 'proto', '166');
    hub.misbehave(status(503));
    const { code, stderr } = await host.sync();
    assert.equal(code, 1);
    assert.match(stderr, /503/);
    assert.deepEqual(await host.routes(), [...GOOD].sort());
  });

  it('pulls the list again when its copy on disk was damaged', async () => {
    hub.publish([...GOOD]);
    await host.sync();
    await truncate(`${host.settings.BANHUB_STATE_DIR}/sh.list`, '198.18.0.7\n'.length);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.routes(), [...GOOD].sort());
    assert.deepEqual(
      hub.requests.map((request) => request.status),
      [200, 200],
    );
  });

  it('enforces nothing from a damaged copy while the hub is away', async () => {
    hub.publish([...GOOD]);
    await host.sync();
    await truncate(`${host.settings.BANHUB_STATE_DIR}/sh.list`, '198.18.0.7\n'.length);
    hub.misbehave(status(503));
    assert.equal((await host.sync()).code, 1);
    assert.deepEqual(await host.routes(), [...GOOD].sort());
  });

  it('does not offer the ETag of one hub to another', async () => {
    hub.publish([...GOOD]);
    await host.sync();
    host.settings.BANHUB_URL += '/other';
    await host.sync();
    assert.equal(hub.requests[1]?.headers['if-none-match'], undefined);
  });

  it('refuses a list that lost more than half, until it is told to take it', async () => {
    hub.publish([...many(1000)]);
    await host.sync();
    hub.publish([...many(400)]);
    const refused = await host.sync();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /600 of 1000 entries would go, more than BANHUB_MAX_SHRINK=50/);
    assert.equal((await host.routes()).length, 1000);
    assert.equal((await host.sync('--accept')).code, 0);
    assert.equal((await host.routes()).length, 400);
  });

  it('counts who goes, not how many are left', async () => {
    hub.publish([...many(1000)]);
    await host.sync();
    hub.publish([...many(1000, 100)]);
    assert.match((await host.sync()).stderr, /1000 of 1000 entries would go/);
  });

  it('takes the end of a small list as it comes', async () => {
    hub.publish([...many(90)]);
    await host.sync();
    hub.publish([]);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.routes(), []);
  });

  it('refuses a list that swells, and one longer than the limit', async () => {
    hub.publish([...many(10)]);
    host.settings.BANHUB_FREE_GROWTH = '50';
    await host.sync();
    hub.publish([...many(200)]);
    assert.match((await host.sync()).stderr, /190 entries would come to 10, more than BANHUB_MAX_GROWTH=1000/);
    host.settings.BANHUB_MAX_ENTRIES = '150';
    assert.match((await host.sync()).stderr, /the list has 200 entries, more than BANHUB_MAX_ENTRIES=150/);
    assert.equal((await host.routes()).length, 10);
  });

  it('leaves out what covers the host, its gateways, its resolver or the hub', async () => {
    const networks = ['198.19.0.0/24', '198.16.0.0/13', '2001:2:19::/64', '2001::/16', '203.0.113.0/26'];
    const vital = [...ADDRESSES, ...GATEWAYS, RESOLVER, ...networks];
    hub.publish(['198.20.0.7', '203.0.113.64/26', ...vital]);
    const { code, stderr } = await host.sync();
    assert.equal(code, 0);
    assert.deepEqual(await host.routes(), ['198.20.0.7', '203.0.113.64/26']);
    for (const entry of vital) assert.ok(`${stderr.trim()} `.includes(` ${entry} `), `${entry}: ${stderr}`);
  });

  it('leaves out the hub when it lies behind the gateway, also while it is away', async () => {
    const hubAddress = '198.21.0.9';
    const behind = await host.lan.addHost('hub', { addresses: ['198.19.0.9/24', `${hubAddress}/32`] });
    await behind.relay(8080, hub.socketPath);
    await host.ip('route', 'add', hubAddress, 'dev', 'eth0');
    host.settings.BANHUB_URL = 'http://hub.test:8080';
    await writeFile(`/etc/netns/${host.host.prefix[3]}/hosts`, `${hubAddress} hub.test\n`);
    hub.publish([hubAddress, '198.20.0.7']);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.routes(), ['198.20.0.7']);
    await writeFile(`/etc/netns/${host.host.prefix[3]}/hosts`, '');
    assert.equal((await host.sync()).code, 1);
    assert.deepEqual(await host.routes(), ['198.20.0.7']);
  });

  it('leaves out what BANHUB_KEEP names, lies within it, or contains it', async () => {
    host.settings.BANHUB_KEEP = '198.18.1.1, 198.18.2.0/23 2001:db8:7::/49,2001:db8:9::9';
    const kept = ['198.18.1.1', '198.18.1.0/24', '198.18.3.255', '198.18.3.0/25', '198.18.0.0/16'];
    const kept6 = ['2001:db8:7::1', '2001:db8:7:7fff::/64', '2001:db8:7::/48', '2001:db8:9::9', '2001:db8:9::8/125'];
    const others = ['198.18.1.2', '198.18.4.0', '198.18.1.2/31', '2001:db8:7:8000::1', '2001:db8:9::10/124'];
    hub.publish([...kept, ...kept6, ...others]);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.routes(), [...others].sort());
  });

  it('never blocks loopback, link-local or multicast', async () => {
    const always4 = ['127.0.0.1', '127.9.9.9', '127.0.0.0/8', '169.254.1.1', '224.0.0.0/8', '255.255.255.255'];
    hub.publish([...always4, '::1', '::', 'fe80::1', 'ff02::1']);
    assert.equal((await host.sync()).code, 0);
    assert.deepEqual(await host.routes(), []);
  });

  it('frees at once what comes to be protected', async () => {
    hub.publish(['198.18.0.7', '198.18.0.8']);
    await host.sync();
    host.settings.BANHUB_KEEP = '198.18.0.7';
    await host.sync();
    assert.deepEqual(await host.routes(), ['198.18.0.8']);
  });
});
