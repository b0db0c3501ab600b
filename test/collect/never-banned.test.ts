// Addresses that no report gets onto the list, whoever sends it, and the settings that draw the line.
import assert from 'node:assert/strict';
import { revokeHost } from '../../server/fleet/enrol.ts';
import { newSqlite, onBothEngines } from '../support/engines.ts';
import { TestClock, TestHub } from '../support/hub.ts';
import { until } from '../support/until.ts';

interface Outcome {
  outcome: string;
  reason?: string;
  revision: number;
}

const NEVER: Record<string, readonly string[]> = {
  unspecified: [
    '0.0.0.0',
    '0.0.0.0/0',
    '0.0.0.0/1',
    '0.0.0.0/8',
    '0.1.2.3',
    '0.255.255.0/24',
    '::',
    '::/0',
    '::/1',
    '::/64',
    '::ffff:0.0.0.0',
    '::ffff:0:0/96',
    '::ffff:0.0.0.0/97',
  ],
  loopback: ['127.0.0.1', '127.255.255.254', '127.0.0.0/8', '127.1.0.0/16', '126.0.0.0/7', '::1', '::ffff:127.0.0.1'],
  link_local: [
    '128.0.0.0/1',
    '169.254.0.1',
    '169.254.169.254',
    '169.254.0.0/16',
    '169.254.7.0/24',
    '169.252.0.0/14',
    '8000::/1',
    'fe80::1',
    'febf:ffff::1',
    'fe80::/10',
    'fe80::/64',
    '::ffff:169.254.169.254',
  ],
  multicast: [
    '224.0.0.1',
    '239.255.255.250',
    '224.0.0.0/4',
    '232.1.0.0/16',
    '192.0.0.0/2',
    'ff02::1',
    'ff00::/8',
    'ff05:1::/32',
    '::ffff:224.0.0.1',
  ],
  broadcast: ['255.255.255.255', '255.255.255.0/24', '255.255.0.0/16', '::ffff:255.255.255.255'],
  documentation: [
    '192.0.2.1',
    '198.51.100.0/24',
    '203.0.113.255',
    '203.0.112.0/20',
    '2001:db8::1',
    '2001:db8:1::/48',
    '3fff::1',
    '::ffff:192.0.2.1',
  ],
  private: [
    '10.0.0.1',
    '10.255.255.255',
    '10.0.0.0/8',
    '10.20.0.0/16',
    '8.0.0.0/6',
    '172.16.0.1',
    '172.31.255.255',
    '172.16.0.0/12',
    '192.168.1.1',
    '192.168.0.0/16',
    'fc00::1',
    'fdff:ffff::1',
    'fd00:1234::/32',
    '::ffff:10.0.0.1',
    '::ffff:192.168.0.0/112',
  ],
  shared: ['100.64.0.1', '100.127.255.255', '100.64.0.0/10', '100.64.0.0/16', '::ffff:100.64.0.1'],
  too_wide: [
    '198.18.0.0/15',
    '45.0.0.0/9',
    '11.0.0.0/8',
    '2001::/31',
    '2a00::/12',
    '2600::/31',
    '::ffff:0:0/95',
    '::ffc0:0:0/90',
    '::ffff:198.18.0.0/111',
  ],
};

const ALL = Object.entries(NEVER).flatMap(([reason, addresses]) => addresses.map((ip) => ({ ip, reason })));

/** Just outside the ranges above: what must not be refused by a rule that is drawn too wide. */
const MAY_BE = [
  '1.0.0.0',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.0.1.255',
  '192.0.3.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.51.99.255',
  '203.0.114.0',
  '223.255.255.255',
  '::2',
  '2001:db7:ffff::1',
  '2001:db9::1',
  'fbff::1',
  'fe00::1',
  'fec0::1',
  'feff:ffff::1',
  '198.18.0.0/16',
  '2001:2::/32',
];

/** Starts a hub that believes X-Forwarded-For, so that hosts speak from where a story wants them. */
async function startHub(database: string, settings: Record<string, string> = {}) {
  const clock = new TestClock();
  const hub = await TestHub.start({
    database,
    clock: clock.read,
    settings: { BANHUB_TRUST_PROXY: 'loopback', ...settings },
  });
  const [alpha, beta] = [await hub.addHost('alpha'), await hub.addHost('beta')];
  return { hub, clock, alpha, beta, admin: await hub.addHost('desk', 'admin', 'pull') };
}

async function banAll(hub: TestHub, token: string, addresses: readonly string[]): Promise<Outcome[]> {
  const reports = addresses.map((ip) => ({ action: 'ban', ip, jail: 'sshd', bantime: -1 }));
  return (await hub.sendJson<Outcome[]>(token, 'POST', '/api/v1/reports', reports)).body;
}

async function banFrom(hub: TestHub, token: string, from: string, ip: string): Promise<Outcome> {
  const answer = await hub.request<Outcome>(token, '/api/v1/reports', {
    method: 'POST',
    headers: { 'x-forwarded-for': from },
    body: new URLSearchParams({ action: 'ban', ip, jail: 'sshd', bantime: '-1' }),
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

onBothEngines('What may never be banned', (newDatabase) => {
  let story: Awaited<ReturnType<typeof startHub>>;

  beforeEach(async () => {
    story = await startHub(await newDatabase());
  });
  afterEach(() => story.hub.close());

  it('is refused by its range with the reason, kept in history and nowhere else', async () => {
    const { hub, alpha, admin } = story;
    const addresses = ALL.map(({ ip }) => ip);
    const outcomes = await banAll(hub, alpha, addresses);
    assert.deepEqual(
      outcomes.map(({ outcome, reason, revision }, i) => ({ ip: addresses[i], outcome, reason, revision })),
      ALL.map(({ ip, reason }) => ({ ip, outcome: 'refused', reason, revision: 0 })),
    );
    assert.deepEqual(await hub.list(alpha), []);
    for (const ip of ['0.0.0.0/0', '128.0.0.0/1', '10.20.0.0/16', '::/0']) {
      const { body } = await hub.request<{ published: boolean; claims: []; history: Outcome[]; withheld: string }>(
        admin,
        `/api/v1/bans/${ip}`,
      );
      const reason = ALL.find((item) => item.ip === ip)?.reason;
      assert.deepEqual([body.published, body.claims, body.withheld], [false, [], reason]);
      const lines = body.history.map((line) => `${line.outcome} ${line.reason}`);
      assert.deepEqual([...new Set(lines)], [`refused ${reason}`]);
    }
  });

  it('is refused from an administrator too', async () => {
    const { hub, admin } = story;
    for (const { ip, reason } of ALL.filter((_, i) => i % 5 === 0)) {
      const answer = await hub.sendJson<Outcome & { code: string; field: string }>(admin, 'POST', '/api/v1/bans', {
        address: ip,
      });
      const { code, field, reason: given } = answer.body;
      assert.deepEqual([answer.status, code, field, given], [422, 'refused', 'address', reason], ip);
    }
    assert.deepEqual(await hub.list(admin), []);
  });

  it('has its limits, and what lies outside is banned', async () => {
    const { hub, alpha } = story;
    const outcomes = await banAll(hub, alpha, MAY_BE);
    assert.deepEqual(
      outcomes.map(({ outcome }, i) => [MAY_BE[i], outcome]),
      MAY_BE.map((ip) => [ip, 'banned']),
    );
  });

  it('is what the allowlist covers, and every network that holds any of it', async () => {
    const { hub, alpha, admin } = story;
    for (const address of ['198.18.5.5', '198.18.6.0/24', '2001:2::5', '2001:2:6::/48']) {
      assert.equal((await hub.sendJson(admin, 'POST', '/api/v1/allowlist', { address })).status, 201);
    }
    const refusals: [string, string][] = [
      ['198.18.5.5', 'allowlisted'],
      ['::ffff:198.18.5.5', 'allowlisted'],
      ['198.18.5.4/31', 'contains_allowlisted'],
      ['198.18.5.0/24', 'contains_allowlisted'],
      ['198.18.0.0/16', 'contains_allowlisted'],
      ['198.18.6.0', 'allowlisted'],
      ['198.18.6.128/25', 'allowlisted'],
      ['198.18.6.0/24', 'allowlisted'],
      ['198.18.6.0/23', 'contains_allowlisted'],
      ['2001:2::5', 'allowlisted'],
      ['2001:2::/64', 'contains_allowlisted'],
      ['2001:2:6:1::/64', 'allowlisted'],
      ['2001:2::/32', 'contains_allowlisted'],
    ];
    const outcomes = await banAll(
      hub,
      alpha,
      refusals.map(([ip]) => ip),
    );
    assert.deepEqual(
      outcomes.map(({ reason }, i) => [refusals[i]?.[0], reason]),
      refusals,
    );
    assert.deepEqual(await hub.list(alpha), []);
    const beside = await banAll(hub, alpha, [
      '198.18.5.4',
      '198.18.5.6',
      '198.18.7.0/24',
      '2001:2::4',
      '2001:2:7::/48',
    ]);
    assert.deepEqual(new Set(beside.map(({ outcome }) => outcome)), new Set(['banned']));
  });

  it('is the address that a host reports from, for every host and for itself', async () => {
    const { hub, alpha, beta } = story;
    assert.equal((await banFrom(hub, alpha, '198.18.1.1', '198.18.9.9')).outcome, 'banned');
    assert.equal((await banFrom(hub, beta, '198.18.2.2', '198.18.1.1')).reason, 'own_host');
    assert.equal((await banFrom(hub, alpha, '198.18.1.1', '198.18.1.1')).reason, 'own_host');
    assert.equal((await banFrom(hub, beta, '198.18.2.2', '198.18.1.0/24')).reason, 'contains_own_host');
    assert.deepEqual(await hub.list(beta), ['198.18.9.9']);
  });

  it('is the address that a host pulls from', async () => {
    const { hub, alpha, beta } = story;
    const headers = { 'x-forwarded-for': '2001:2::1' };
    assert.equal((await hub.request(alpha, '/blocklist.txt', { headers })).status, 200);
    await until(async () => (await hub.ban(beta, '2001:2::1', { jail: 'probe' })).reason === 'own_host', {
      what: 'the address is protected',
    });
    assert.equal((await hub.ban(beta, '2001:2::/64')).reason, 'contains_own_host');
    await until(async () => (await hub.list(beta)).length === 0, { what: 'nothing of it is listed' });
  });

  it('is one address of each family for each host', async () => {
    const { hub, alpha, beta } = story;
    await banFrom(hub, alpha, '198.18.1.1', '198.18.9.1');
    await banFrom(hub, alpha, '2001:2::1', '198.18.9.2');
    assert.equal((await hub.ban(beta, '198.18.1.1')).reason, 'own_host');
    assert.equal((await hub.ban(beta, '2001:2::1')).reason, 'own_host');
  });

  it('takes a banned address off the list when a host moves there, and puts it back when the host has left', async () => {
    const { hub, alpha, beta } = story;
    await banFrom(hub, alpha, '198.18.1.1', '198.18.3.3');
    await banFrom(hub, alpha, '198.18.1.1', '198.18.3.0/24');
    assert.deepEqual(await hub.list(alpha), ['198.18.3.0/24', '198.18.3.3']);

    await banFrom(hub, beta, '198.18.3.3', '198.18.9.9');
    assert.deepEqual(await hub.list(alpha), ['198.18.9.9']);

    await banFrom(hub, beta, '198.18.4.4', '198.18.9.9');
    assert.deepEqual(await hub.list(alpha), ['198.18.3.0/24', '198.18.3.3', '198.18.9.9']);
  });

  it('takes a banned address off the list when a host only pulls from there', async () => {
    const { hub, alpha, beta } = story;
    await hub.ban(alpha, '198.18.3.3');
    await hub.request(beta, '/blocklist.txt', { headers: { 'x-forwarded-for': '198.18.3.3' } });
    await until(async () => (await hub.list(alpha)).length === 0, { what: 'the address is off the list' });
  });

  it('judges a report by where a host of the same moment speaks from', async () => {
    const { hub, alpha, beta } = story;
    const [first, second] = await Promise.all([
      banFrom(hub, alpha, '198.18.1.1', '198.18.2.2'),
      banFrom(hub, beta, '198.18.2.2', '198.18.1.1'),
    ]);
    assert.ok(first.outcome === 'banned' || first.reason === 'own_host');
    assert.ok(second.outcome === 'banned' || second.reason === 'own_host');
    assert.deepEqual(await hub.list(alpha), []);
  });

  it('is protected no longer once the host is revoked', async () => {
    const { hub, alpha, beta } = story;
    await banFrom(hub, alpha, '198.18.1.1', '198.18.9.9');
    assert.equal((await hub.ban(beta, '198.18.1.1')).reason, 'own_host');
    await revokeHost(hub.store, 'alpha');
    assert.equal((await hub.ban(beta, '198.18.1.1')).outcome, 'banned');
  });

  it('is not what somebody else claims to speak from', async () => {
    const { hub, beta } = story;
    const answer = await hub.request('wrong', '/api/v1/reports', {
      method: 'POST',
      headers: { 'x-forwarded-for': '198.18.1.1' },
      body: new URLSearchParams({ action: 'ban', ip: '198.18.9.9', jail: 'sshd' }),
    });
    assert.equal(answer.status, 401);
    assert.equal((await hub.ban(beta, '198.18.1.1')).outcome, 'banned');
  });
});

describe('The settings that draw the line', () => {
  async function outcomes(
    settings: Record<string, string>,
    addresses: readonly string[],
  ): Promise<(string | undefined)[]> {
    const { hub, alpha } = await startHub(newSqlite(), settings);
    try {
      return (await banAll(hub, alpha, addresses)).map(({ outcome, reason }) => reason ?? outcome);
    } finally {
      await hub.close();
    }
  }

  it('BANHUB_ALLOW_RANGES lets the named ranges be banned, and no others', async () => {
    const addresses = ['10.1.2.3', '192.168.0.0/24', 'fd00::1', '100.64.0.1', '192.0.2.1', '127.0.0.1', '169.254.1.1'];
    assert.deepEqual(await outcomes({ BANHUB_ALLOW_RANGES: 'private' }, addresses), [
      'banned',
      'banned',
      'banned',
      'shared',
      'documentation',
      'loopback',
      'link_local',
    ]);
    assert.deepEqual(await outcomes({ BANHUB_ALLOW_RANGES: 'shared, documentation' }, addresses), [
      'private',
      'private',
      'private',
      'banned',
      'banned',
      'loopback',
      'link_local',
    ]);
  });

  it('BANHUB_ALLOW_RANGES does not let a whole range be banned that is wider than the setting for networks', async () => {
    const addresses = ['10.0.0.0/8', 'fc00::/7', '100.64.0.0/10', '10.0.0.0/16'];
    assert.deepEqual(await outcomes({ BANHUB_ALLOW_RANGES: 'private,shared' }, addresses), [
      'too_wide',
      'too_wide',
      'too_wide',
      'banned',
    ]);
  });

  it('BANHUB_ALLOW_RANGES makes hosts protected that speak from such a range', async () => {
    const { hub, alpha, beta } = await startHub(newSqlite(), { BANHUB_ALLOW_RANGES: 'private' });
    try {
      await banFrom(hub, alpha, '10.0.0.1', '10.0.0.99');
      assert.equal((await hub.ban(beta, '10.0.0.1')).reason, 'own_host');
      assert.equal((await hub.ban(beta, '10.0.0.0/24')).reason, 'contains_own_host');
    } finally {
      await hub.close();
    }
  });

  it('BANHUB_WIDEST_IPV4 and BANHUB_WIDEST_IPV6 say how wide a network may be', async () => {
    const addresses = ['198.18.0.0/24', '198.18.0.0/23', '198.18.0.7', '2001:2::/48', '2001:2::/47', '2001:2::7'];
    assert.deepEqual(await outcomes({ BANHUB_WIDEST_IPV4: '24', BANHUB_WIDEST_IPV6: '48' }, addresses), [
      'banned',
      'too_wide',
      'banned',
      'banned',
      'too_wide',
      'banned',
    ]);
    assert.deepEqual(await outcomes({ BANHUB_WIDEST_IPV4: '32', BANHUB_WIDEST_IPV6: '128' }, addresses), [
      'too_wide',
      'too_wide',
      'banned',
      'too_wide',
      'too_wide',
      'banned',
    ]);
  });

  it('no width lets everybody be banned', async () => {
    const widest = { BANHUB_WIDEST_IPV4: '0', BANHUB_WIDEST_IPV6: '0' };
    const ranges = { BANHUB_ALLOW_RANGES: 'private,shared,documentation' };
    const addresses = [
      '0.0.0.0/0',
      '0.0.0.0/1',
      '128.0.0.0/1',
      '::/0',
      '::/1',
      '8000::/1',
      '::ffff:0:0/95',
      '45.0.0.0/8',
    ];
    assert.deepEqual(await outcomes({ ...widest, ...ranges }, addresses), [
      'unspecified',
      'unspecified',
      'link_local',
      'unspecified',
      'unspecified',
      'link_local',
      'too_wide',
      'banned',
    ]);
  });
});
