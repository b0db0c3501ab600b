// A hub that is down, slow or refusing: fail2ban goes on blocking with little delay, says so in its log, and no secret shows.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createFail2ban, type Fail2ban, type JailOptions } from '../support/fail2ban.ts';
import { poll, ReportRecorder } from './report-recorder.ts';

const TOKEN = 'bh_secret-of-this-host';
const MARK = '[Definition]\nactionban = touch @DIR@/mark-<ip>\n';

describe('with the hub in trouble, the report action', () => {
  let hub: ReportRecorder;
  let fail2ban: Fail2ban;

  beforeEach(async () => {
    hub = await ReportRecorder.listen();
  });

  afterEach(async () => {
    await fail2ban.remove();
    await hub.close();
  });

  async function start(jail: Partial<JailOptions> = {}, url = hub.url): Promise<void> {
    fail2ban = await createFail2ban({
      jails: [
        { name: 'sip', further: ['mark'], ...jail },
        { name: 'web', actions: ['mark'] },
      ],
      files: { 'action.d/mark.conf': MARK },
      report: { url, token: TOKEN },
    });
    await fail2ban.start();
  }

  const blockedHere = (ip: string) =>
    poll(`${ip} blocked on the host`, async () => (await readdir(fail2ban.dir)).includes(`mark-${ip}`));

  for (const status of [500, 503, 401, 413, 429, 301]) {
    it(`shows the answer ${status} in the log of fail2ban`, async () => {
      hub.status = status;
      await start();
      await fail2ban.ban('sip', '203.0.113.7');
      await blockedHere('203.0.113.7');
      const said = status === 301 ? /Maximum \(0\) redirects followed/ : new RegExp(`returned error: ${status}`);
      assert.match(await fail2ban.log(), said);
      assert.equal(hub.of('ban').length, 2, 'fail2ban itself tries a failed command twice, nothing tries oftener');
    });
  }

  it('sends the next report after an error answer without a pause', async () => {
    hub.status = 500;
    await start();
    await fail2ban.ban('sip', '203.0.113.7');
    hub.status = 200;
    hub.reports.length = 0;
    await fail2ban.ban('sip', '203.0.113.8');
    await hub.arrival('ban', '203.0.113.8');
  });

  it('costs milliseconds when nothing listens, and the log says so', async () => {
    await start({}, 'http://127.0.0.1:9/api/v1/reports');
    const before = Date.now();
    await fail2ban.ban('sip', '203.0.113.7', '203.0.113.8', '203.0.113.9');
    await blockedHere('203.0.113.9');
    assert.ok(Date.now() - before < 2000, `${Date.now() - before} ms`);
    assert.match(await fail2ban.log(), /Failed to connect/);
  });

  it('holds up the bans of all jails no longer than one time limit when the hub does not answer', async () => {
    hub.silent = true;
    await start();
    const before = Date.now();
    for (const ip of ['203.0.113.7', '203.0.113.8', '2001:db8::7']) await fail2ban.writeFailures('sip', ip, 3);
    await poll('the first report', () => hub.reports.length > 0);
    await fail2ban.writeFailures('web', '203.0.113.9', 3);
    for (const ip of ['203.0.113.7', '203.0.113.8', '2001:db8::7', '203.0.113.9']) await blockedHere(ip);
    const took = Date.now() - before;
    assert.ok(took > 4500, `the time limit is 5 s, it took ${took} ms`);
    assert.ok(took < 9000, `three bans and a fourth in another jail took ${took} ms`);
    assert.equal(hub.reports.length, 1);
    const log = await fail2ban.log();
    assert.match(log, /timed out/);
    assert.match(log, /banhub: not sent: the hub did not answer in time, next attempt in \d+ s/);
  });

  it('reports again when the pause is over', async () => {
    hub.silent = true;
    await start({ parameters: 'max_time=1, pause=2' });
    await fail2ban.ban('sip', '203.0.113.7');
    hub.silent = false;
    hub.reports.length = 0;
    await poll('a report after the pause', async () => {
      await fail2ban.ban('sip', '203.0.113.8');
      await fail2ban.client('set', 'sip', 'unbanip', '203.0.113.8');
      return hub.reports.length > 0;
    });
  });

  for (const [what, content] of [
    ['is empty', ''],
    ['holds nonsense', 'nonsense\n'],
    ['lies in a future that a wrong clock once meant', '9999999999\n'],
  ] as const) {
    it(`is not paused by a pause file that ${what}`, async () => {
      await start();
      await fail2ban.write('banhub.pause', content);
      await fail2ban.ban('sip', '203.0.113.7');
      await hub.arrival('ban', '203.0.113.7');
    });
  }

  it('says so in the log when report.curl is missing, and the host still blocks', async () => {
    await start({ parameters: 'curl_config=/nonexistent/report.curl' });
    await fail2ban.ban('sip', '203.0.113.7');
    await blockedHere('203.0.113.7');
    assert.match(await fail2ban.log(), /nonexistent\/report\.curl/);
  });

  it('shows the token neither in a command line, nor in an environment, nor in the log', async () => {
    hub.silent = true;
    await start();
    await fail2ban.writeFailures('sip', '203.0.113.7', 3);
    await poll('a report that waits for its answer', () => hub.reports.length > 0);
    const processes = await commandLines();
    assert.ok(
      processes.some((line) => line.includes('curl') && line.includes(`${fail2ban.dir}/report.curl`)),
      'the waiting curl is not among the processes',
    );
    assert.ok(processes.every((line) => !line.includes(TOKEN)));
    await blockedHere('203.0.113.7');
    await fail2ban.stop();
    assert.doesNotMatch(await fail2ban.log(), /bh_secret/);
  });
});

/** Command line and environment of every process, as anybody (or root) may read them. */
async function commandLines(): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = (id: string, file: string) => readFile(`/proc/${id}/${file}`, 'latin1').catch(() => '');
  return Promise.all(ids.map(async (id) => (await read(id, 'cmdline')) + (await read(id, 'environ'))));
}
