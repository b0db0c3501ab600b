// Stories: many hosts report, one list comes of it.
import assert from 'node:assert/strict';
import { revokeHost } from '../../server/fleet/enrol.ts';
import { onBothEngines } from '../support/engines.ts';
import { TestClock, TestHub } from '../support/hub.ts';
import { until } from '../support/until.ts';

onBothEngines('One list of many reports', (newDatabase) => {
  let hub: TestHub;
  let clock: TestClock;
  let [alpha, beta, admin] = ['', '', ''];

  beforeEach(async () => {
    clock = new TestClock();
    hub = await TestHub.start({ database: await newDatabase(), clock: clock.read });
    [alpha, beta] = [await hub.addHost('alpha'), await hub.addHost('beta')];
    admin = await hub.addHost('desk', 'admin', 'pull');
  });
  afterEach(() => hub.close());

  it('publishes what one host bans to all, and takes it back with the unban', async () => {
    assert.deepEqual(await hub.ban(alpha, '198.18.0.7'), { outcome: 'banned', revision: 1 });
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
    assert.deepEqual(await hub.unban(alpha, '198.18.0.7'), { outcome: 'unbanned', revision: 2 });
    assert.deepEqual(await hub.list(beta), []);
  });

  it('keeps an address while any host still claims it', async () => {
    await hub.ban(alpha, '198.18.0.7');
    assert.deepEqual(await hub.ban(beta, '198.18.0.7'), { outcome: 'claimed', revision: 1 });
    assert.deepEqual(await hub.unban(alpha, '198.18.0.7'), { outcome: 'released', revision: 1 });
    assert.deepEqual(await hub.list(alpha), ['198.18.0.7']);
    assert.equal((await hub.unban(beta, '198.18.0.7')).outcome, 'unbanned');
    assert.deepEqual(await hub.list(alpha), []);
  });

  it('keeps an address while another jail of the same host still claims it', async () => {
    await hub.ban(alpha, '198.18.0.7', { jail: 'sshd' });
    await hub.ban(alpha, '198.18.0.7', { jail: 'opensips' });
    assert.equal((await hub.unban(alpha, '198.18.0.7', { jail: 'sshd' })).outcome, 'released');
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
  });

  it('does not let one host end the claim of another', async () => {
    await hub.ban(alpha, '198.18.0.7');
    assert.deepEqual(await hub.unban(beta, '198.18.0.7'), { outcome: 'unchanged', revision: 1 });
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
  });

  it('changes nothing for the same report twice', async () => {
    const time = clock.now / 1_000 - 5.25;
    await hub.ban(alpha, '198.18.0.7', { time, bantime: 600 });
    assert.deepEqual(await hub.ban(alpha, '198.18.0.7', { time, bantime: 600 }), { outcome: 'unchanged', revision: 1 });
    assert.deepEqual(await hub.ban(alpha, '198.18.0.7', { time, bantime: 600, restored: 1 }), {
      outcome: 'unchanged',
      revision: 1,
    });
  });

  it('does not end a newer ban by an unban that it overtook', async () => {
    const first = clock.now / 1_000 - 100;
    await hub.ban(alpha, '198.18.0.7', { time: first });
    await hub.ban(alpha, '198.18.0.7', { time: first + 50 });
    assert.equal((await hub.unban(alpha, '198.18.0.7', { time: first })).outcome, 'unchanged');
    assert.equal((await hub.unban(alpha, '198.18.0.7', { time: first + 50 })).outcome, 'unbanned');
  });

  it('ends a ban with its ban time, counted from when the host banned it', async () => {
    await hub.ban(alpha, '198.18.0.7', { time: clock.now / 1_000 - 500, bantime: 600 });
    clock.pass(99);
    await hub.app.expire();
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
    clock.pass(1);
    await hub.app.expire();
    assert.deepEqual(await hub.list(beta), []);
  });

  it('ends a ban with the last of its claims', async () => {
    await hub.ban(alpha, '198.18.0.7', { bantime: 600 });
    await hub.ban(beta, '198.18.0.7', { bantime: 1200 });
    clock.pass(600);
    await hub.app.expire();
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
    clock.pass(600);
    await hub.app.expire();
    assert.deepEqual(await hub.list(beta), []);
  });

  it('keeps a ban for ever when its ban time is -1', async () => {
    await hub.ban(alpha, '198.18.0.7', { bantime: -1 });
    clock.pass(50 * 365 * 86_400);
    await hub.app.expire();
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
  });

  it('prolongs a ban, and does not shorten it by a report that came late', async () => {
    const time = clock.now / 1_000;
    await hub.ban(alpha, '198.18.0.7', { time, bantime: 600 });
    assert.equal((await hub.ban(alpha, '198.18.0.7', { time, bantime: 6000 })).outcome, 'claimed');
    assert.equal((await hub.ban(alpha, '198.18.0.7', { time: time - 60, bantime: 600 })).outcome, 'unchanged');
    clock.pass(5_999);
    await hub.app.expire();
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
  });

  it('takes a time in the future for now, so that a lift can void it', async () => {
    await hub.ban(alpha, '198.18.0.7', { time: clock.now / 1_000 + 3_600, bantime: -1 });
    clock.pass(1);
    await hub.request(admin, '/api/v1/bans/198.18.0.7', { method: 'DELETE' });
    assert.deepEqual(await hub.list(beta), []);
  });

  it('takes a time that fail2ban rounded up as it is, so that a restart of fail2ban changes nothing', async () => {
    const time = Math.round(clock.now / 1_000 + 0.6);
    await hub.ban(alpha, '198.18.0.7', { time, bantime: 600 });
    clock.pass(100);
    assert.equal((await hub.ban(alpha, '198.18.0.7', { time, bantime: 600, restored: 1 })).outcome, 'unchanged');
  });

  it('lifts a ban that began in the same moment', async () => {
    await hub.ban(alpha, '198.18.0.7', { time: Math.round(clock.now / 1_000 + 0.6), bantime: 600 });
    await hub.request(admin, '/api/v1/bans/198.18.0.7', { method: 'DELETE' });
    assert.deepEqual(await hub.list(beta), []);
  });

  it('refuses a ban that has already ended', async () => {
    const report = await hub.ban(alpha, '198.18.0.7', { time: clock.now / 1_000 - 601, bantime: 600 });
    assert.deepEqual(report, { outcome: 'refused', reason: 'expired', revision: 0 });
  });

  it('lifts a ban everywhere and for ever, until a new offence', async () => {
    const offence = clock.now / 1_000;
    await hub.ban(alpha, '198.18.0.7', { time: offence, bantime: -1 });
    await hub.ban(beta, '198.18.0.7', { time: offence, bantime: -1 });
    clock.pass(10);
    const lifted = await hub.request<{ outcome: string }>(admin, '/api/v1/bans/198.18.0.7', { method: 'DELETE' });
    assert.equal(lifted.body.outcome, 'lifted');
    assert.deepEqual(await hub.list(beta), []);

    assert.deepEqual(await hub.ban(alpha, '198.18.0.7', { time: offence, bantime: -1, restored: 1 }), {
      outcome: 'refused',
      reason: 'lifted',
      revision: 2,
    });
    clock.pass(10);
    assert.equal((await hub.ban(alpha, '198.18.0.7', { time: clock.now / 1_000 })).outcome, 'banned');
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
  });

  it('tells consumers of lifts, so that they unban in their own jails', async () => {
    await hub.ban(alpha, '198.18.0.7');
    await hub.ban(alpha, '198.18.0.8');
    clock.pass(1);
    await hub.request(admin, '/api/v1/bans/198.18.0.7', { method: 'DELETE' });
    await hub.unban(alpha, '198.18.0.8');
    const { body } = await hub.request(beta, '/api/v1/blocklist/changes?since=2');
    assert.deepEqual(body, {
      revision: 4,
      since: 2,
      add: [],
      remove: ['198.18.0.7', '198.18.0.8'],
      lifted: ['198.18.0.7'],
    });
  });

  it('lifts and allows in one step, and publishes again when the allowance ends', async () => {
    await hub.ban(alpha, '198.18.0.0/24', { bantime: -1 });
    await hub.ban(alpha, '198.18.1.7', { bantime: -1 });
    clock.pass(1);
    await hub.request(admin, '/api/v1/bans/198.18.1.7?allow=3600', { method: 'DELETE' });
    clock.pass(1);
    assert.equal((await hub.ban(beta, '198.18.1.7')).reason, 'allowlisted');
    clock.pass(3600);
    await hub.app.expire();
    assert.equal((await hub.ban(beta, '198.18.1.7')).outcome, 'banned');
    assert.deepEqual(await hub.list(beta), ['198.18.0.0/24', '198.18.1.7']);
  });

  it('does not shorten an allowance by a lift', async () => {
    await hub.sendJson(admin, 'POST', '/api/v1/allowlist', { address: '198.18.0.7', comment: 'a customer' });
    await hub.request(admin, '/api/v1/bans/198.18.0.7?allow=60', { method: 'DELETE' });
    clock.pass(61);
    await hub.app.expire();
    const { body } = await hub.request<{ items: { comment: string; endsAt: string | null }[] }>(
      admin,
      '/api/v1/allowlist',
    );
    assert.deepEqual([body.items[0]?.comment, body.items[0]?.endsAt], ['a customer', null]);
  });

  it('says why a claimed address is not published', async () => {
    const withheld = async (ip: string) =>
      (await hub.request<{ withheld?: string }>(admin, `/api/v1/bans/${ip}`)).body.withheld;
    await hub.ban(alpha, '198.18.0.7');
    assert.equal(await withheld('198.18.0.7'), undefined);
    await hub.sendJson(admin, 'POST', '/api/v1/allowlist', { address: '198.18.0.7' });
    assert.equal(await withheld('198.18.0.7'), 'allowlisted');
    assert.equal(await withheld('127.0.0.1'), 'loopback');
  });

  it('remembers a lift for longer than history', async () => {
    const offence = clock.now / 1_000;
    await hub.ban(alpha, '198.18.0.7', { time: offence, bantime: -1 });
    clock.pass(10);
    await hub.request(admin, '/api/v1/bans/198.18.0.7', { method: 'DELETE' });
    clock.pass(10 * 365 * 86_400);
    await hub.store.write((tx) => hub.store.bans.prune(tx, clock.now, 1_000));
    assert.equal((await hub.ban(alpha, '198.18.0.7', { time: offence, bantime: -1 })).reason, 'lifted');
  });

  it('protects a host again that was revoked and enrolled anew', async () => {
    const settings = { BANHUB_TRUST_PROXY: 'loopback' };
    const proxied = await TestHub.start({ database: await newDatabase(), clock: clock.read, settings });
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    const other = await proxied.addHost('other');
    const first = await proxied.addHost('web1');
    await proxied.request(first, '/blocklist.txt', from('45.1.2.3'));
    assert.equal((await proxied.ban(other, '45.1.2.3')).reason, 'own_host');

    await revokeHost(proxied.store, 'web1');
    assert.equal((await proxied.ban(other, '45.1.2.3')).outcome, 'banned');
    const second = await proxied.addHost('web1');
    await proxied.request(second, '/blocklist.txt', from('45.1.2.3'));
    await until(async () => (await proxied.list(other)).length === 0, {
      what: 'its address is not on the list any more',
    });
    await proxied.close();
  });

  it('judges every ban anew when it is started with other settings', async () => {
    const database = await newDatabase();
    const before = await TestHub.start({ database, clock: clock.read, settings: { BANHUB_ALLOW_RANGES: 'private' } });
    const [one, other] = [await before.addHost('one'), await before.addHost('other')];
    for (const ip of ['10.0.0.5', '198.18.0.5', '198.18.0.6']) await before.ban(one, ip, { bantime: -1 });
    await before.ban(other, '198.18.0.6', { bantime: -1 });
    await before.close();

    const after = await TestHub.start({ database, clock: clock.read, settings: { BANHUB_QUORUM: '2' } });
    await after.app.expire();
    assert.deepEqual(await after.list(one), ['198.18.0.6']);
    assert.equal((await after.unban(one, '10.0.0.5')).outcome, 'released');
    await after.close();
  });

  it('unpublishes at once what the allowlist covers, and publishes again what claims still stand for', async () => {
    await hub.ban(alpha, '198.18.0.7', { bantime: -1 });
    await hub.ban(alpha, '198.18.0.0/25', { bantime: -1 });
    await hub.ban(alpha, '198.18.1.7', { bantime: -1 });
    const entry = { address: '198.18.0.0/24', comment: 'a customer' };
    assert.equal((await hub.sendJson(admin, 'POST', '/api/v1/allowlist', entry)).status, 201);
    assert.deepEqual(await hub.list(beta), ['198.18.1.7']);
    assert.equal((await hub.ban(alpha, '198.18.0.9')).reason, 'allowlisted');

    assert.equal((await hub.request(admin, '/api/v1/allowlist/198.18.0.0/24', { method: 'DELETE' })).status, 200);
    assert.deepEqual(await hub.list(beta), ['198.18.0.0/25', '198.18.0.7', '198.18.1.7']);
  });

  it('unpublishes a banned network when an address inside it is allowed', async () => {
    await hub.ban(alpha, '198.18.0.0/24');
    await hub.sendJson(admin, 'POST', '/api/v1/allowlist', { address: '198.18.0.99' });
    assert.deepEqual(await hub.list(beta), []);
    assert.equal((await hub.ban(beta, '198.18.0.0/24')).reason, 'contains_allowlisted');
  });

  it('bans by hand on one word, whatever the hosts say', async () => {
    const order = { address: '2001:2::/48', reason: 'scanner', bantime: -1 };
    assert.equal((await hub.sendJson(admin, 'POST', '/api/v1/bans', order)).status, 201);
    assert.deepEqual(await hub.list(beta), ['2001:2::/48']);
    assert.equal((await hub.unban(alpha, '2001:2::/48')).outcome, 'unchanged');
    assert.deepEqual(await hub.list(beta), ['2001:2::/48']);
  });

  it('sorts by number, IPv4 before IPv6, and the wider network first', async () => {
    for (const ip of [
      '2001:2::10',
      '198.18.0.100',
      '2001:2::9',
      '198.18.0.9',
      '198.18.0.0/24',
      '45.1.2.3',
      '198.18.0.0/20',
    ]) {
      await hub.ban(alpha, ip);
    }
    assert.deepEqual(await hub.list(beta), [
      '45.1.2.3',
      '198.18.0.0/20',
      '198.18.0.0/24',
      '198.18.0.9',
      '198.18.0.100',
      '2001:2::9',
      '2001:2::10',
    ]);
  });

  it('has the same list after a restart, and the same changes', async () => {
    const database = await newDatabase();
    const first = await TestHub.start({ database, clock: clock.read });
    const token = await first.addHost('alpha');
    await first.ban(token, '198.18.0.7');
    await first.ban(token, '2001:2::7');
    await first.unban(token, '198.18.0.7');
    const [list, changes] = [await first.list(token), await first.request(token, '/api/v1/blocklist/changes?since=0')];
    await first.close();

    const second = await TestHub.start({ database, clock: clock.read });
    assert.deepEqual(await second.list(token), list);
    assert.deepEqual((await second.request(token, '/api/v1/blocklist/changes?since=0')).body, changes.body);
    await second.close();
  });
});
