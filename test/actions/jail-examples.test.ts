// The jail files of actions/jail.d, beside the stock configuration: fail2ban accepts them, and each runs the right actions.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createFail2ban, type Fail2ban } from '../support/fail2ban.ts';
import { poll } from './report-recorder.ts';

const run = promisify(execFile);

const OPENSIPS = `[opensips]
enabled = true
backend = systemd
journalmatch = _SYSTEMD_UNIT=opensips.service
filter = banhub-test
action = iptables-allports[name=opensips, protocol=all]
`;

const SSHD = `[sshd]
backend = systemd
`;

describe('the jail examples', () => {
  let fail2ban: Fail2ban;

  afterEach(() => fail2ban.remove());

  it('are accepted by fail2ban, all together', async () => {
    fail2ban = await withExamples({ 'jail.d/defaults-debian.conf': SSHD, 'jail.d/opensips.conf': OPENSIPS });
    const { code, stdout, stderr } = await fail2ban.client('-t');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /configuration test is successful/);
  });

  it('add the report to what each jail did before', async () => {
    fail2ban = await withExamples({ 'jail.d/defaults-debian.conf': SSHD, 'jail.d/opensips.conf': OPENSIPS });
    assert.deepEqual(await actionsOf(fail2ban), {
      sshd: ['iptables-multiport', 'banhub', 'banhub-matches'],
      opensips: ['iptables-allports', 'banhub', 'banhub-matches'],
      banhub: ['banhub-nftables'],
    });
  });

  it('keep the report out of the enforcing jail when the default action reports', async () => {
    const everywhere = '[DEFAULT]\naction = %(action_)s\n         banhub\n         banhub-matches\n';
    fail2ban = await withExamples({ 'jail.d/defaults-debian.conf': SSHD, 'jail.d/everywhere.local': everywhere });
    const actions = await actionsOf(fail2ban);
    assert.deepEqual(actions.banhub, ['banhub-nftables']);
    assert.ok(actions.sshd?.includes('banhub'));
  });
});

describe('the enforcing jail', () => {
  const namespace = `banhub-${randomBytes(4).toString('hex')}`;
  let fail2ban: Fail2ban;

  beforeEach(async () => {
    await run('ip', ['netns', 'add', namespace]);
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    fail2ban = await createFail2ban({
      jails: [],
      files: { 'jail.d/banhub.conf': await example('banhub.conf') },
      prefix: ['ip', 'netns', 'exec', namespace],
    });
    await fail2ban.start();
  });

  afterEach(async () => {
    await fail2ban.remove();
    await run('ip', ['netns', 'delete', namespace]);
  });

  const list = ['203.0.113.7', '198.51.100.0/24', '198.51.100.9', '2001:db8::7', '2001:db8:5::/48'];
  const inKernel = async () => {
    const { stdout } = await run('ip', ['netns', 'exec', namespace, 'nft', 'list', 'ruleset']);
    return list.filter((entry) => stdout.match(new RegExp(`[ {]${entry.replaceAll('.', '\\.')}[ ,]`)));
  };

  it('blocks addresses and networks of both families, and takes them out again', async () => {
    await fail2ban.ban('banhub', ...list);
    assert.deepEqual(await inKernel(), list);
    await fail2ban.client('set', 'banhub', 'unbanip', '203.0.113.7', '2001:db8:5::/48');
    assert.deepEqual(await inKernel(), ['198.51.100.0/24', '198.51.100.9', '2001:db8::7']);
  });

  it('blocks the same again after a restart', async () => {
    await fail2ban.ban('banhub', ...list);
    await poll('the bans in the database', () => fail2ban.storedBans() === list.length);
    await fail2ban.restart();
    await poll('the bans in the kernel', async () => (await inKernel()).length === list.length);
  });

  it('mends itself when somebody flushed the ruleset', async () => {
    await fail2ban.ban('banhub', '203.0.113.7');
    await run('ip', ['netns', 'exec', namespace, 'nft', 'flush', 'ruleset']);
    await fail2ban.ban('banhub', '2001:db8::7');
    assert.deepEqual(await inKernel(), ['2001:db8::7']);
  });

  it('leaves nothing behind when fail2ban stops', async () => {
    await fail2ban.ban('banhub', ...list);
    await fail2ban.stop();
    const { stdout } = await run('ip', ['netns', 'exec', namespace, 'nft', 'list', 'ruleset']);
    assert.equal(stdout, '');
  });
});

async function withExamples(files: Record<string, string>): Promise<Fail2ban> {
  const examples: Record<string, string> = {};
  for (const name of ['banhub.conf', 'banhub-sshd.local', 'banhub-opensips.local']) {
    examples[`jail.d/${name}`] = await example(name);
  }
  if (!files['jail.d/opensips.conf']) delete examples['jail.d/banhub-opensips.local'];
  if (files['jail.d/everywhere.local']) examples['jail.d/banhub-sshd.local'] = '[sshd]\nenabled = true\n';
  return createFail2ban({ jails: [], files: { ...examples, ...files } });
}

function example(name: string): Promise<string> {
  return readFile(new URL(`../../actions/jail.d/${name}`, import.meta.url), 'utf8');
}

/** Which actions each jail would run, in order, as `fail2ban-client -d` tells it. */
async function actionsOf(fail2ban: Fail2ban): Promise<Record<string, string[]>> {
  const { stdout } = await fail2ban.client('-d');
  const actions: Record<string, string[]> = {};
  for (const [, jail, action] of stdout.matchAll(/^\['set', '([^']+)', 'addaction', '([^']+)'\]$/gm)) {
    actions[jail!] = [...(actions[jail!] ?? []), action!];
  }
  return actions;
}
