// Stop, start, reload and restart of a real fail2ban never tell the hub to unban, and lose no unban afterwards.
import assert from 'node:assert/strict';
import { createFail2ban, type Fail2ban } from '../support/fail2ban.ts';
import { poll, type Report, ReportRecorder } from './report-recorder.ts';

describe('a restart of fail2ban', () => {
  const addresses = ['203.0.113.7', '198.51.100.0/24', '2001:db8::7'];
  let hub: ReportRecorder;
  let fail2ban: Fail2ban;
  let first: Report[];

  beforeEach(async () => {
    hub = await ReportRecorder.listen();
    fail2ban = await createFail2ban({ jails: [{ name: 'sip' }], report: { url: hub.url, token: 'token' } });
    await fail2ban.start();
    await fail2ban.ban('sip', ...addresses);
    await fail2ban.writeFailures('sip', '203.0.113.9', 3);
    await hub.arrival('ban', '203.0.113.9', (report) => 'matches' in report.fields);
    await storedInDatabase(fail2ban);
    first = hub.reports.splice(0).filter((report) => !('matches' in report.fields));
  });

  afterEach(async () => {
    await fail2ban.remove();
    await hub.close();
  });

  it('sends nothing at the stop', async () => {
    await fail2ban.stop();
    assert.deepEqual(hub.reports, []);
  });

  it('reports every ban again at the start, as restored, with the time and ban time it had', async () => {
    await fail2ban.restart();
    await poll('all bans restored', () => hub.reports.length >= first.length);
    assert.deepEqual(facts(hub.reports), facts(first));
    assert.ok(hub.reports.every((report) => report.fields.restored === '1'));
  });

  it('does not send the log lines of a restored ban again', async () => {
    await fail2ban.restart();
    await poll('all bans restored', () => hub.reports.length >= first.length);
    await fail2ban.stop();
    assert.ok(hub.reports.every((report) => !('matches' in report.fields)));
  });

  for (const options of [[], ['--restart'], ['--restart', 'sip'], ['--restart', '--unban', 'sip']]) {
    it(`sends no unban at "reload ${options.join(' ')}"`, async () => {
      await fail2ban.reload(...options);
      await fail2ban.ban('sip', '203.0.113.20');
      await hub.arrival('ban', '203.0.113.20');
      assert.deepEqual(hub.of('unban'), []);
    });
  }

  it('still reports the unban of a ban that was restored', async () => {
    await fail2ban.restart();
    await hub.arrival('ban', '203.0.113.7');
    await fail2ban.client('set', 'sip', 'unbanip', '203.0.113.7');
    const { fields } = await hub.arrival('unban', '203.0.113.7');
    assert.equal(fields.time, first.find((report) => report.ip === '203.0.113.7')?.fields.time);
  });

  it('still reports the unban of a ban that was restored while the hub was down', async () => {
    await fail2ban.stop();
    hub.status = 503;
    await fail2ban.start();
    await poll('all bans restored', () => hub.reports.length >= first.length);
    hub.status = 200;
    await fail2ban.client('set', 'sip', 'unbanip', '203.0.113.7');
    await hub.arrival('unban', '203.0.113.7');
    assert.equal(hub.of('ban').length, first.length, 'a restored ban is tried once');
  });

  it('sends no unban when the machine stops it with SIGTERM', async () => {
    await fail2ban.terminate();
    assert.deepEqual(hub.of('unban'), []);
  });
});

describe('the report action, new in a jail that runs,', () => {
  let hub: ReportRecorder;
  let fail2ban: Fail2ban;

  beforeEach(async () => {
    hub = await ReportRecorder.listen();
    fail2ban = await createFail2ban({
      jails: [{ name: 'sip', actions: ['dummy[target="@DIR@/dummy"]'] }],
      report: { url: hub.url, token: 'token' },
    });
    await fail2ban.start();
    await fail2ban.ban('sip', '203.0.113.7', '2001:db8::7');
    await poll('the bans in the database of fail2ban', () => fail2ban.storedBans() === 2);
    const ours = `[sip]\naction = %(known/action)s\n  banhub[curl_config="${fail2ban.dir}/report.curl"]\n`;
    await fail2ban.write('config/jail.d/ours.local', ours);
  });

  afterEach(async () => {
    await fail2ban.remove();
    await hub.close();
  });

  it('is taken up by "reload --restart", which reports the bans there are', async () => {
    await fail2ban.reload('--restart', 'sip');
    await hub.arrival('ban', '203.0.113.7');
    await hub.arrival('ban', '2001:db8::7');
    const { stdout } = await fail2ban.client('get', 'sip', 'actions');
    assert.match(stdout, /dummy, banhub/);
  });

  it('is lost by a plain reload, as our guides say: when this fails, fail2ban has mended it', async () => {
    await fail2ban.reload();
    const { stdout } = await fail2ban.client('get', 'sip', 'actions');
    assert.doesNotMatch(stdout, /banhub/);
  });
});

/** fail2ban writes its database in a thread of its own; a stop before that loses the ban. */
async function storedInDatabase(fail2ban: Fail2ban): Promise<void> {
  await poll('the bans in the database of fail2ban', () => fail2ban.storedBans() >= 4);
}

function facts(reports: Report[]): string[] {
  return reports.map(({ fields }) => JSON.stringify(Object.entries({ ...fields, restored: '' }).sort())).sort();
}
