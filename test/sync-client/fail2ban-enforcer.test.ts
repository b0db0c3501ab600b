// The fail2ban enforcer, on a real fail2ban: a jail of our own follows the list, and no other jail is touched.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { addressOf } from '../../server/core/address.ts';
import { Blocklist } from '../../sync-client/blocklist.ts';
import { commandRunner } from '../../sync-client/command.ts';
import type { Enforcer } from '../../sync-client/enforce/enforcer.ts';
import { fail2banEnforcer } from '../../sync-client/enforce/fail2ban.ts';
import { Enforcement } from '../../sync-client/enforcement.ts';
import { Guards } from '../../sync-client/guards.ts';
import { createFail2ban, type Fail2ban } from '../support/fail2ban.ts';

const LIST = [
  '198.18.7.7',
  '198.19.0.0/16',
  '198.19.3.0/24',
  '198.19.3.4',
  '::1.2.3.4',
  '2001:2::1',
  '2001:2:0:8::/64',
];

describe('the fail2ban enforcer, on a real fail2ban', () => {
  let fail2ban: Fail2ban;
  let enforcer: Enforcer;

  const enforcerFor = (jail: string): Enforcer =>
    fail2banEnforcer({ run: commandRunner(process.env), jail, socket: join(fail2ban.dir, 'sock') });

  before(async () => {
    fail2ban = await createFail2ban({
      jails: [
        { name: 'banhub', actions: ['recorder'], bantime: '-1' },
        { name: 'sshd', actions: ['recorder'] },
        { name: 'reporting', bantime: '-1' },
        { name: 'bulk', actions: [], bantime: '-1' },
      ],
      files: {
        'action.d/recorder.conf':
          '[Definition]\nactionban = echo "ban <name> <ip>" >> @DIR@/actions\nactionunban = echo "unban <name> <ip>" >> @DIR@/actions\n',
      },
      report: { url: 'http://127.0.0.1:1/', token: 'x' },
    });
    await fail2ban.start();
    enforcer = enforcerFor('banhub');
  });
  after(() => fail2ban.remove());
  afterEach(() => enforcer.flush());

  const enforce = async (texts: readonly string[], which = enforcer) => {
    const log: string[] = [];
    const enforcement = new Enforcement({ enforcers: [which], log: (line) => log.push(line) });
    enforcement.setList(new Blocklist(texts.map(addressOf)), new Guards([]));
    const { errors } = await enforcement.enforce(new Map(), 1);
    return { log, errors };
  };
  const banned = async (jail: string) => (await fail2ban.banned(jail)).sort();

  it('bans the list in our jail: addresses and networks of both families, overlapping ones too', async () => {
    assert.deepEqual(await enforce(LIST), { log: ['fail2ban: 7 added, 0 removed; revision 1'], errors: [] });
    assert.deepEqual(await banned('banhub'), [...LIST].sort());
  });

  it('changes nothing the second time', async () => {
    await enforce(LIST);
    assert.deepEqual(await enforce(LIST), { log: [], errors: [] });
  });

  it('unbans what left the list, and bans again what was unbanned by hand', async () => {
    await enforce(LIST);
    await enforce(LIST.slice(2));
    assert.deepEqual(await banned('banhub'), LIST.slice(2).sort());
    await fail2ban.client('set', 'banhub', 'unbanip', '2001:2::1');
    assert.deepEqual((await enforce(LIST.slice(2))).log, ['fail2ban: 1 added, 0 removed; revision 1']);
    assert.deepEqual(await banned('banhub'), LIST.slice(2).sort());
  });

  it('leaves other jails alone, also when it is flushed', async () => {
    await fail2ban.ban('sshd', '198.18.7.7', '198.18.9.9');
    await enforce(LIST);
    await enforce([]);
    await enforce(LIST);
    assert.equal(await enforcer.flush(), LIST.length);
    assert.deepEqual(await banned('banhub'), []);
    assert.deepEqual(await banned('sshd'), ['198.18.7.7', '198.18.9.9']);
  });

  it('takes thousands in a few calls', async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => `198.18.${i >> 8}.${i & 255}`);
    const bulk = enforcerFor('bulk');
    assert.deepEqual((await enforce(many, bulk)).errors, []);
    assert.deepEqual((await enforce(many, bulk)).log, []);
    assert.equal((await banned('bulk')).length, 5_000);
    assert.equal(await bulk.flush(), 5_000);
    assert.deepEqual(await banned('bulk'), []);
  });

  it('says which jail is missing', async () => {
    const { errors } = await enforce(LIST, enforcerFor('nowhere'));
    assert.match(errors.join(), /^fail2ban: cannot read jail nowhere: .*nowhere.* does not exist/);
    assert.equal(
      (await enforcerFor('nowhere').check()).every(({ ok }) => ok),
      false,
    );
  });

  it('checks that the jail lets the hub decide when a ban ends, and does not report it back', async () => {
    assert.deepEqual(await enforcer.check(), [{ ok: true, text: 'jail banhub is there' }]);
    const complaints = async (jail: string) =>
      (await enforcerFor(jail).check()).filter(({ ok }) => !ok).map(({ text }) => text);
    assert.deepEqual(await complaints('sshd'), [
      'jail sshd needs bantime = -1: the hub says when a ban ends, not the jail',
    ]);
    assert.deepEqual(await complaints('reporting'), ['jail reporting must not have the report action banhub']);
  });
});
