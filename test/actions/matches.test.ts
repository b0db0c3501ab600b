// The matched log lines arrive cut and unharmed whatever they contain, and never cost the ban.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createFail2ban, type Fail2ban, logTime } from '../support/fail2ban.ts';
import { type Report, ReportRecorder } from './report-recorder.ts';

describe('matched log lines', () => {
  let hub: ReportRecorder;
  let fail2ban: Fail2ban;

  beforeEach(async () => {
    hub = await ReportRecorder.listen();
    fail2ban = await createFail2ban({
      jails: [{ name: 'sip', further: ['mark'] }],
      files: { 'action.d/mark.conf': '[Definition]\nactionban = touch @DIR@/mark-<ip>\n' },
      report: { url: hub.url, token: 'token' },
    });
    await fail2ban.start();
  });

  afterEach(async () => {
    await fail2ban.remove();
    await hub.close();
  });

  const withMatches = (ip: string) => hub.arrival('ban', ip, (report: Report) => 'matches' in report.fields);

  it('come in a second report of the same ban', async () => {
    await fail2ban.writeFailures('sip', '203.0.113.7', 3, 'as alice');
    const { fields } = await withMatches('203.0.113.7');
    const ban = await hub.arrival('ban', '203.0.113.7');
    const { matches, ...rest } = fields;
    assert.deepEqual(rest, ban.fields);
    assert.match(matches ?? '', /^(\d+(\.\d+)? failed login from 203\.0\.113\.7 as alice(\n|$)){3}$/);
  });

  const hostile = [
    `it's "quoted" and 'quoted'`,
    '$(touch DIR/pwned) `touch DIR/pwned` $PATH $0 $f2bV_matches',
    '; touch DIR/pwned & | touch DIR/pwned > DIR/pwned',
    '%s %d %n %% %(name)s &action=unban&ip=192.0.2.1 =+?#',
    '<ip> <matches> <name> <F-USER> <br> <script>alert(1)</script>',
    String.raw`\n \r \t \0 \\ \" \x41 \101 \c`,
    'grüße 日本語 😀',
    '@/etc/passwd',
    '-d action=unban --next',
  ];
  for (const text of hostile) {
    it(`arrive as they were written: ${text}`, async () => {
      const detail = text.replaceAll('DIR', fail2ban.dir);
      await fail2ban.writeFailures('sip', '203.0.113.7', 3, detail);
      const { fields } = await withMatches('203.0.113.7');
      assert.ok(fields.matches?.split('\n')[0]?.endsWith(` ${detail}`), fields.matches);
      assert.equal(fields.ip, '203.0.113.7');
      assert.ok(!existsSync(`${fail2ban.dir}/pwned`), 'a log line was run as a command');
    });
  }

  it('may hold bytes that are no UTF-8, and control characters', async () => {
    const line = Buffer.concat([
      Buffer.from(`${logTime()} failed login from 203.0.113.7 `),
      Buffer.from([0x80, 0xff, 0xfe, 0x1b, 0x5b, 0x41, 0x07, 0xc3]),
      Buffer.from(' end'),
    ]);
    await fail2ban.writeLogLines('sip', line, line, line);
    const { fields } = await withMatches('203.0.113.7');
    assert.match(fields.matches ?? '', /^[\d.]+ failed login from 203\.0\.113\.7 .* end\n/);
  });

  it('are cut to 4 KiB, never within a character', async () => {
    await fail2ban.writeFailures('sip', '203.0.113.7', 3, 'é'.repeat(5000));
    const { fields } = await withMatches('203.0.113.7');
    const bytes = Buffer.byteLength(fields.matches ?? '');
    assert.ok(bytes > 4090 && bytes <= 4096, `${bytes} bytes`);
    assert.match(fields.matches ?? '', /é$/);
  });

  it('may come near the 128 KiB that one argument may have', async () => {
    await fail2ban.writeFailures('sip', '203.0.113.7', 3, 'x'.repeat(40_000));
    const { fields } = await withMatches('203.0.113.7');
    assert.equal(fields.matches?.length, 4096);
  });

  it('over 128 KiB are lost, but never the ban, nor the actions behind', async () => {
    await fail2ban.writeFailures('sip', '203.0.113.7', 3, `$${'x'.repeat(100_000)}`);
    await hub.arrival('ban', '203.0.113.7');
    await fail2ban.ban('sip', '203.0.113.8');
    await hub.arrival('ban', '203.0.113.8');
    await fail2ban.stop();
    assert.match(await fail2ban.log(), /Argument list too long/);
    assert.ok(existsSync(`${fail2ban.dir}/mark-203.0.113.7`));
    assert.ok(hub.reports.every((report) => !('matches' in report.fields)));
  });
});
