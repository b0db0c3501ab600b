// A ban or unban by a real fail2ban arrives at the hub, with its facts, from actions/banhub.conf.
import assert from 'node:assert/strict';
import { createFail2ban, type Fail2ban } from '../support/fail2ban.ts';
import { poll, ReportRecorder } from './report-recorder.ts';

const TOKEN = 'bh_secret-of-this-host';

describe('the report action', () => {
  let hub: ReportRecorder;
  let fail2ban: Fail2ban;

  beforeEach(async () => {
    hub = await ReportRecorder.listen();
    fail2ban = await createFail2ban({ jails: [{ name: 'sip' }], report: { url: hub.url, token: TOKEN } });
    await fail2ban.start();
  });

  afterEach(async () => {
    await fail2ban.remove();
    await hub.close();
  });

  it('reports who was banned, by which jail, when, for how long and after how many failures', async () => {
    const before = Math.floor(Date.now() / 1000);
    await fail2ban.writeFailures('sip', '203.0.113.7', 3);
    const { fields, authorization, path, body } = await hub.arrival('ban', '203.0.113.7');

    assert.deepEqual({ ...fields, time: '' }, expected({ ip: '203.0.113.7', failures: '3' }));
    assert.match(fields.time ?? '', /^\d+$/);
    const time = Number(fields.time);
    assert.ok(time >= before && time <= Date.now() / 1000 + 1, `time ${time}`);
    assert.equal(authorization, `Bearer ${TOKEN}`);
    assert.equal(path, '/api/v1/reports');
    assert.doesNotMatch(body, /bh_secret/);
  });

  it('reports a ban by hand, once: it has no failures and no log lines', async () => {
    await fail2ban.ban('sip', '203.0.113.8');
    const { fields } = await hub.arrival('ban', '203.0.113.8');
    await fail2ban.ban('sip', '203.0.113.9');
    await hub.arrival('ban', '203.0.113.9');

    assert.deepEqual({ ...fields, time: '' }, expected({ ip: '203.0.113.8', failures: '0' }));
    assert.deepEqual(
      hub.reports.map((report) => report.ip),
      ['203.0.113.8', '203.0.113.9'],
    );
  });

  it('reports IPv6, as it reports IPv4', async () => {
    await fail2ban.writeFailures('sip', '2001:db8::7', 3);
    const { fields } = await hub.arrival('ban', '2001:db8::7');
    assert.deepEqual({ ...fields, time: '' }, expected({ ip: '2001:db8::7', failures: '3' }));
  });

  for (const network of ['203.0.113.0/24', '2001:db8:5::/48']) {
    it(`reports the ban and the unban of the network ${network}`, async () => {
      await fail2ban.ban('sip', network);
      await hub.arrival('ban', network);
      await fail2ban.client('set', 'sip', 'unbanip', network);
      await hub.arrival('unban', network);
    });
  }

  it('reports an unban by hand, with the time of the ban that it ends', async () => {
    await fail2ban.ban('sip', '203.0.113.8');
    const ban = await hub.arrival('ban', '203.0.113.8');
    await fail2ban.client('set', 'sip', 'unbanip', '203.0.113.8');
    const unban = await hub.arrival('unban', '203.0.113.8');
    assert.deepEqual(unban.fields, { ...ban.fields, action: 'unban' });
  });

  it('writes no line about a good report into the log of fail2ban, not even when that tells everything', async () => {
    await fail2ban.client('set', 'loglevel', 'DEBUG');
    await fail2ban.ban('sip', '203.0.113.8');
    await hub.arrival('ban', '203.0.113.8');
    await fail2ban.stop();
    const lines = (await fail2ban.log()).split('\n').filter((line) => /ERROR|stdout|stderr/.test(line));
    assert.deepEqual(lines, []);
  });
});

describe('the report action in a jail', () => {
  let hub: ReportRecorder;

  beforeEach(async () => {
    hub = await ReportRecorder.listen();
  });

  afterEach(() => hub.close());

  it('reports that a ban came to its end', async () => {
    const fail2ban = await createFail2ban({
      jails: [{ name: 'short', bantime: '1' }],
      report: { url: hub.url, token: TOKEN },
    });
    try {
      await fail2ban.start();
      await fail2ban.ban('short', '203.0.113.7');
      await hub.arrival('unban', '203.0.113.7');
    } finally {
      await fail2ban.remove();
    }
  });

  it('reports a ban without end as bantime -1', async () => {
    const fail2ban = await createFail2ban({
      jails: [{ name: 'ever', bantime: '-1' }],
      report: { url: hub.url, token: TOKEN },
    });
    try {
      await fail2ban.start();
      await fail2ban.ban('ever', '203.0.113.7');
      const { fields } = await hub.arrival('ban', '203.0.113.7');
      assert.equal(fields.bantime, '-1');
    } finally {
      await fail2ban.remove();
    }
  });

  it('reports the longer ban time when a repeated ban grows, with the time of the ban', async () => {
    const fail2ban = await createFail2ban({
      jails: [{ name: 'grow', bantime: '2', extra: ['bantime.increment = true', 'bantime.multipliers = 1 50'] }],
      report: { url: hub.url, token: TOKEN },
    });
    try {
      await fail2ban.start();
      await fail2ban.ban('grow', '203.0.113.7');
      await hub.arrival('unban', '203.0.113.7');
      await fail2ban.ban('grow', '203.0.113.7');
      const longer = await hub.arrival('ban', '203.0.113.7', (report) => report.fields.bantime === '100');
      const again = await poll('the second ban', () => hub.of('ban')[1]);
      assert.equal(longer.fields.time, again.fields.time);
    } finally {
      await fail2ban.remove();
    }
  });

  it('reports to two hubs when it is listed twice', async () => {
    const second = await ReportRecorder.listen();
    const fail2ban = await createFail2ban({
      jails: [{ name: 'sip', further: ['banhub[actname=banhub-other, curl_config="@DIR@/other.curl"]'] }],
      report: { url: hub.url, token: TOKEN },
    });
    try {
      await fail2ban.write('other.curl', `url = "${second.url}"\nheader = "Authorization: Bearer other"\n`);
      await fail2ban.start();
      await fail2ban.ban('sip', '203.0.113.7');
      await hub.arrival('ban', '203.0.113.7');
      const report = await second.arrival('ban', '203.0.113.7');
      assert.equal(report.authorization, 'Bearer other');
    } finally {
      await fail2ban.remove();
      await second.close();
    }
  });
});

function expected(fields: Record<string, string>): Record<string, string> {
  return { action: 'ban', jail: 'sip', bantime: '3600', time: '', restored: '0', ...fields };
}
