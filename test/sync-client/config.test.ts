// Settings: where they come from, which win, and that whatever is wrong is told by the setting's name.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, ConfigError, loadConfig, SETTINGS } from '../../sync-client/config.ts';

const NEEDED = { BANHUB_URL: 'https://hub.example.net', BANHUB_TOKEN: 'abc', BANHUB_ENFORCE: 'nftables' };

describe("the sync client's settings", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'banhub-config-'));
  });
  after(() => rm(folder, { recursive: true }));

  const fromFile = async (text: string, environment: NodeJS.ProcessEnv = {}): Promise<Config> => {
    const file = join(folder, 'sync.conf');
    await writeFile(file, text);
    return loadConfig(file, environment);
  };
  const given = (settings: Record<string, string>): Promise<Config> => fromFile('', { ...NEEDED, ...settings });

  it('are three lines, and sensible for the rest', async () => {
    const config = await fromFile(
      '# ours\nBANHUB_URL=https://hub.example.net/\nBANHUB_TOKEN="abc"\nBANHUB_ENFORCE=nftables\n',
    );
    assert.equal(config.BANHUB_URL.href, 'https://hub.example.net/');
    assert.equal(config.BANHUB_TOKEN, 'abc');
    assert.deepEqual(config.BANHUB_ENFORCE, [{ kind: 'nftables' }]);
    assert.equal(config.BANHUB_STATE_DIR, '/var/lib/banhub');
    assert.equal(config.BANHUB_INTERVAL, 60);
    assert.equal(config.BANHUB_FAIL2BAN_JAIL, 'banhub');
    assert.deepEqual(config.BANHUB_KEEP, []);
  });

  it('in the environment win over the file', async () => {
    const file = 'BANHUB_URL=https://a\nBANHUB_TOKEN=abc\nBANHUB_ENFORCE=route\nBANHUB_INTERVAL=5\n';
    assert.equal((await fromFile(file, { BANHUB_INTERVAL: '7' })).BANHUB_INTERVAL, 7);
    assert.equal((await fromFile(file, { BANHUB_INTERVAL: '' })).BANHUB_INTERVAL, 5);
  });

  it('name several enforcers, with blanks or without', async () => {
    const config = await given({ BANHUB_ENFORCE: 'route, nftables,ipset fail2ban,file:/etc/haproxy/banned.txt' });
    assert.deepEqual(config.BANHUB_ENFORCE, [
      { kind: 'route' },
      { kind: 'nftables' },
      { kind: 'ipset' },
      { kind: 'fail2ban' },
      { kind: 'file', path: '/etc/haproxy/banned.txt' },
    ]);
  });

  it('keep addresses and networks of both families', async () => {
    const config = await given({ BANHUB_KEEP: '198.18.0.1, 2001:2::/48,198.19.0.0/16' });
    assert.deepEqual(
      config.BANHUB_KEEP.map(({ text }) => text),
      ['198.18.0.1', '2001:2::/48', '198.19.0.0/16'],
    );
  });

  it('take the token from a file of its own', async () => {
    const file = join(folder, 'token');
    await writeFile(file, 'from-file\n');
    assert.equal((await given({ BANHUB_TOKEN: '', BANHUB_TOKEN_FILE: file })).BANHUB_TOKEN, 'from-file');
  });

  it("give commands the sbin folders, which cron's PATH lacks", async () => {
    const { commandEnvironment } = await given({ PATH: '/usr/bin:/bin' });
    assert.match(commandEnvironment.PATH ?? '', /^\/usr\/bin:\/bin:.*\/usr\/sbin/);
    assert.equal(commandEnvironment.LC_ALL, 'C');
  });

  it('are all in the example file, with their defaults', async () => {
    const example = await readFile(new URL('../../sync-client/sync.conf.example', import.meta.url), 'utf8');
    await fromFile(example, { BANHUB_TOKEN: 'abc' });
    for (const [name, { default: fallback }] of Object.entries(SETTINGS)) {
      assert.match(example, new RegExp(`^#?${name}=${fallback || ''}`, 'm'));
    }
    await fromFile(example.replace(/^#BANHUB_TOKEN_FILE.*$/m, '').replace(/^#(BANHUB_)/gm, '$1'), {
      BANHUB_TOKEN: 'abc',
    });
  });

  const WRONG: [string, Record<string, string>, RegExp][] = [
    ['no hub', { BANHUB_URL: '' }, /^BANHUB_URL: is not set/],
    ['a hub that is no URL', { BANHUB_URL: 'hub' }, /^BANHUB_URL: is no URL/],
    ['a hub over ftp', { BANHUB_URL: 'ftp://hub' }, /^BANHUB_URL: must begin with http/],
    ['a password in the URL', { BANHUB_URL: 'https://u:p@hub' }, /^BANHUB_URL: must hold no password/],
    ['a query in the URL', { BANHUB_URL: 'https://hub/?token=x' }, /^BANHUB_URL: /],
    ['no token', { BANHUB_TOKEN: '' }, /^BANHUB_TOKEN: is not set/],
    ['a token of two lines', { BANHUB_TOKEN: 'a\nX-Evil: b' }, /^BANHUB_TOKEN: holds characters/],
    [
      'a token file that is not there',
      { BANHUB_TOKEN: '', BANHUB_TOKEN_FILE: '/nowhere/token' },
      /^BANHUB_TOKEN_FILE: ENOENT/,
    ],
    ['no enforcer', { BANHUB_ENFORCE: ' , ' }, /^BANHUB_ENFORCE: names no enforcer/],
    ['an unknown enforcer', { BANHUB_ENFORCE: 'iptables' }, /^BANHUB_ENFORCE: "iptables" is none of/],
    ['an enforcer twice', { BANHUB_ENFORCE: 'route,route' }, /^BANHUB_ENFORCE: names an enforcer twice/],
    ['a file without its path', { BANHUB_ENFORCE: 'file:list.txt' }, /^BANHUB_ENFORCE: file: needs an absolute path/],
    ['a relative state folder', { BANHUB_STATE_DIR: 'state' }, /^BANHUB_STATE_DIR: must be an absolute path/],
    ['an interval of none', { BANHUB_INTERVAL: '0' }, /^BANHUB_INTERVAL: must be a whole number from 1/],
    ['an interval in words', { BANHUB_INTERVAL: '1m' }, /^BANHUB_INTERVAL: must be a whole number/],
    ['a shrink of over 100 percent', { BANHUB_MAX_SHRINK: '101' }, /^BANHUB_MAX_SHRINK: /],
    ['a name to keep', { BANHUB_KEEP: '198.18.0.1,gateway' }, /^BANHUB_KEEP: "gateway" is not an IP address/],
    ['an octal octet to keep', { BANHUB_KEEP: '198.18.0.010' }, /^BANHUB_KEEP: .*leading zero/],
    ['a jail with a blank', { BANHUB_FAIL2BAN_JAIL: 'ban hub' }, /^BANHUB_FAIL2BAN_JAIL: /],
    ['a jail that looks like an option', { BANHUB_FAIL2BAN_JAIL: '--all' }, /^BANHUB_FAIL2BAN_JAIL: /],
    ['a rule that is neither yes nor no', { BANHUB_IPSET_RULE: 'true' }, /^BANHUB_IPSET_RULE: must be yes or no/],
  ];
  for (const [title, settings, message] of WRONG) {
    it(`are refused by name: ${title}`, async () => {
      await assert.rejects(given(settings), (error) => error instanceof ConfigError && message.test(error.message));
    });
  }

  it('are refused by name: one in the file that does not exist', async () => {
    await assert.rejects(
      fromFile('BANHUB_INTERVALL=5\n', NEEDED),
      /^Error: BANHUB_INTERVALL: there is no such setting/,
    );
  });

  it('are refused when the named file cannot be read', () => {
    assert.throws(() => loadConfig(join(folder, 'missing.conf'), NEEDED), /cannot read the settings: ENOENT/);
  });
});
