// The story of the product: a line in one host's log, and another host's kernel drops the attacker. Real fail2ban,
// real kernels, the hub and the sync client as they ship.
import assert from 'node:assert/strict';
import { newMariaDb, newSqlite } from '../support/engines.ts';
import type { Fail2ban } from '../support/fail2ban.ts';
import { Fleet } from '../support/fleet.ts';
import type { Host } from '../support/namespaces.ts';
import { until } from '../support/until.ts';

const ATTACKER = { ipv4: '198.18.66.6', ipv6: '2001:2::666' };

for (const engine of ['SQLite', 'MariaDB'] as const) {
  describe(`A fleet with its hub on ${engine}`, function () {
    this.timeout(120_000);
    let fleet: Fleet;
    let [alpha, gamma]: Fail2ban[] = [];
    let [routed, filtered, attacker]: Host[] = [];
    let admin = '';

    before(async () => {
      // From another namespace MariaDB is reached by its socket.
      const database = engine === 'SQLite' ? newSqlite() : await newMariaDb('socket');
      fleet = await Fleet.start(database);
      admin = fleet.enrol('desk', 'admin,pull');
      [alpha, gamma] = [await fleet.addReporter('alpha'), await fleet.addReporter('gamma')];
      [routed, filtered] = [
        await fleet.addEnforcer('routed', 'route'),
        await fleet.addEnforcer('filtered', 'nftables'),
      ];
      attacker = await fleet.addMachine('attacker', 99);
      await attacker.exec(['ip', 'address', 'add', `${ATTACKER.ipv4}/15`, 'dev', 'eth0']);
      await attacker.exec(['ip', 'address', 'add', `${ATTACKER.ipv6}/48`, 'dev', 'eth0', 'nodad']);
      // The attacker speaks from the address that gets banned.
      await attacker.exec(['ip', 'route', 'change', '198.18.0.0/15', 'dev', 'eth0', 'src', ATTACKER.ipv4]);
      await attacker.exec(['ip', '-6', 'route', 'add', '2001:2::/64', 'dev', 'eth0', 'src', ATTACKER.ipv6]);
    });
    after(() => fleet.close());

    const machines = () => [
      { name: 'routes', host: routed!, ipv4: '198.18.0.13', ipv6: '2001:2::13' },
      { name: 'nftables', host: filtered!, ipv4: '198.18.0.14', ipv6: '2001:2::14' },
    ];

    async function expectBlocked(family: 'ipv4' | 'ipv6', blocked: boolean): Promise<void> {
      for (const machine of machines()) {
        await until(async () => (await attacker!.reaches(machine[family])) === !blocked, {
          what: `${ATTACKER[family]} ${blocked ? 'gets no answer' : 'gets answers'} from the host with ${machine.name}`,
          seconds: 15,
          seen: async () =>
            (await machine.host.exec(['sh', '-c', 'ip route; ip -6 route; nft list ruleset; true'])).stdout,
        });
      }
    }

    for (const family of ['ipv4', 'ipv6'] as const) {
      it(`blocks an ${family} attacker everywhere, from one host's log, until nobody claims it`, async () => {
        const ip = ATTACKER[family];
        await expectBlocked(family, false);
        await alpha!.writeFailures('sip', ip, 3);
        await expectBlocked(family, true);
        const route = await routed!.exec(['ip', family === 'ipv4' ? '-4' : '-6', 'route', 'show', 'type', 'blackhole']);
        assert.match(route.stdout, new RegExp(`^(blackhole )?${ip} `, 'm'));
        const table = await filtered!.exec(['nft', 'list', 'table', 'inet', 'banhub']);
        assert.match(table.stdout, new RegExp(`elements = \\{ ${ip} \\}`));

        await gamma!.ban('sip', ip);
        await until(async () => (await claims(ip)).length === 2, { what: 'gamma claims it too' });
        await alpha!.client('set', 'sip', 'unbanip', ip);
        await until(async () => (await claims(ip)).join() === 'gamma', { what: "alpha's claim has ended" });
        assert.deepEqual(await fleet.list(admin), [ip]);
        await expectBlocked(family, true);

        await gamma!.client('set', 'sip', 'unbanip', ip);
        await expectBlocked(family, false);
        assert.deepEqual(await fleet.list(admin), []);
      });
    }

    it('blocks a whole network, of either family', async () => {
      await alpha!.ban('sip', '198.18.66.0/24', '2001:2:0:0::600/120');
      await expectBlocked('ipv4', true);
      await expectBlocked('ipv6', true);
      await alpha!.client('set', 'sip', 'unbanip', '198.18.66.0/24', '2001:2::600/120');
      await expectBlocked('ipv4', false);
      await expectBlocked('ipv6', false);
    });

    it('keeps every entry through stop, start, reload and reboot of fail2ban, and history shows no false unban', async () => {
      const banned = ['198.18.7.1', '198.18.7.2', '198.18.7.0/28', '2001:2::7:1'];
      await alpha!.ban('sip', ...banned);
      await until(async () => (await fleet.list(admin)).length === 4, { what: 'all four are published' });
      const before = await fleet.list(admin);
      await until(() => alpha!.storedBans() === 4, { what: 'fail2ban has stored its bans' });

      let watching = true;
      const seen = new Set<string>();
      const watch = (async () => {
        while (watching) seen.add((await fleet.list(admin)).join(' '));
      })();
      await alpha!.restart();
      await alpha!.reload();
      await alpha!.reload('--restart', 'sip');
      await alpha!.terminate();
      await alpha!.start();
      await until(async () => (await alpha!.banned('sip')).length === 4, { what: 'fail2ban has taken up its bans' });
      await until(async () => (await history(banned[0]!)).filter((line) => line.restored).length >= 2, {
        what: 'the restored bans were reported',
        seen: () => history(banned[0]!),
      });
      watching = false;
      await watch;

      assert.deepEqual([...seen], [before.join(' ')], 'the list never changed');
      for (const ip of banned) {
        assert.deepEqual(await claims(ip), ['alpha'], `${ip} is claimed once`);
        const lines = await history(ip);
        assert.deepEqual(
          lines.filter(({ action }) => action === 'unban'),
          [],
        );
        assert.deepEqual(new Set(lines.map(({ outcome }) => outcome)), new Set(['banned', 'unchanged']));
      }
      await alpha!.client('set', 'sip', 'unbanip', ...banned);
      await until(async () => (await fleet.list(admin)).length === 0, { what: 'unbans still go through after it' });
    });

    it('enforces on while the hub is away, and goes on when it is back', async () => {
      await alpha!.ban('sip', ATTACKER.ipv4);
      await expectBlocked('ipv4', true);
      await fleet.stopHub();
      await expectBlocked('ipv4', true);
      await fleet.startHub();
      await alpha!.client('set', 'sip', 'unbanip', ATTACKER.ipv4);
      await expectBlocked('ipv4', false);
    });

    it('never blocks a member of the fleet, though a spoofed flood got it banned', async () => {
      await alpha!.ban('sip', '198.18.0.12', '198.18.0.1', ATTACKER.ipv4);
      await until(async () => (await fleet.list(admin)).includes(ATTACKER.ipv4), { what: 'the attacker is published' });
      assert.equal((await history('198.18.0.12'))[0]?.reason, 'own_host');
      assert.ok(!(await fleet.list(admin)).includes('198.18.0.12'));
      // The hub itself is no host: each client keeps it out by itself.
      await expectBlocked('ipv4', true);
      assert.ok(await routed!.reaches('198.18.0.1', 8080));
      assert.ok(await filtered!.reaches('198.18.0.1', 8080));
    });

    async function claims(ip: string): Promise<string[]> {
      const answer = JSON.parse(await fleet.curl(admin, `/api/v1/bans/${ip}`));
      return answer.claims.map((claim: { source: string }) => claim.source).sort();
    }

    async function history(
      ip: string,
    ): Promise<{ action: string; outcome: string; restored: boolean; reason: string }[]> {
      return JSON.parse(await fleet.curl(admin, `/api/v1/bans/${ip}`)).history;
    }
  });
}
