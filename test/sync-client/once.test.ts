// Stories of `once`, `status`, `check` and `flush`: the client as it ships, in a host's namespace, with a hub that may misbehave.
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFakeHub, FAKE_TOKEN, type FakeHub, listHeaders, type Misbehaviour } from '../support/fake-hub.ts';
import { createLan, type Host, type Lan } from '../support/namespaces.ts';
import { bundledClient, type Client, createClient, ourRoutes } from './client-process.ts';

const HUB = 'http://127.0.0.1:8080';
const LIST = ['198.18.7.7', '198.19.0.0/24', '198.19.0.9', '2001:2:0:7::7', '2001:2:0:8::/64'];

describe('banhub-sync', () => {
  let lan: Lan;
  let host: Host;
  let attacker: Host;
  let hub: FakeHub;
  let client: Client;

  const settings = (changed: Record<string, string> = {}) => ({
    BANHUB_URL: HUB,
    BANHUB_TOKEN: FAKE_TOKEN,
    BANHUB_ENFORCE: 'route',
    BANHUB_TIMEOUT: '2',
    ...changed,
  });
  beforeEach(async () => {
    lan = await createLan();
    host = await lan.addHost('host', {
      addresses: ['198.18.0.2/15', '2001:2::2/48'],
      gateways: ['198.18.0.1', '2001:2::1'],
      resolvConf: 'nameserver 198.18.0.53\nnameserver 2001:2::53\n',
    });
    attacker = await lan.addHost('attacker', { addresses: ['198.18.0.66/15', '2001:2::66/48'] });
    hub = await createFakeHub();
    await host.relay(8080, hub.socketPath);
    hub.publish(LIST);
    client = await createClient(host, settings());
  });
  afterEach(async () => {
    await client.remove();
    await hub.close();
    await lan.close();
  });

  const routes = () => ourRoutes(host);

  it('pulls the list and blocks the attacker on it, until he leaves the list', async () => {
    hub.add('198.18.0.66');
    assert.equal(await attacker.reaches('198.18.0.2'), true);
    const first = await client.run('once');
    assert.equal(first.code, 0);
    assert.equal(first.stdout, 'revision 2, 6 entries, 6 changed\n');
    assert.deepEqual(await routes(), [...LIST, '198.18.0.66'].sort());
    assert.equal(await attacker.reaches('198.18.0.2'), false);
    hub.remove('198.18.0.66');
    assert.equal((await client.run('once')).code, 0);
    assert.equal(await attacker.reaches('198.18.0.2'), true);
  });

  it('changes nothing the second time, and asks with the ETag', async () => {
    await client.run('once');
    const second = await client.run('once');
    assert.deepEqual([second.code, second.stdout, second.stderr], [0, 'revision 1, 5 entries, 0 changed\n', '']);
    assert.deepEqual(
      hub.requests.map(({ status }) => status),
      [200, 304],
    );
  });

  it('puts back what was removed by hand, though the list did not change', async () => {
    await client.run('once');
    await host.exec(['ip', 'route', 'del', 'blackhole', '198.18.7.7']);
    const second = await client.run('once');
    assert.equal(second.stderr, 'route: 1 added, 0 removed; revision 1\n');
    assert.deepEqual(await routes(), [...LIST].sort());
    assert.equal(hub.requests.at(-1)?.status, 304);
  });

  describe('keeps what is enforced, and says why, when the hub', () => {
    const body = Buffer.from(LIST.map((entry) => `${entry}\n`).join(''));
    const troubles: [string, Misbehaviour | 'down', RegExp][] = [
      ['is down', 'down', /the hub cannot be reached|closed the connection/],
      ['answers 500', (_, response) => void response.writeHead(500).end('no'), /the hub answered 500/],
      ['answers 401', (_, response) => void response.writeHead(401).end('no'), /401: it does not know the token/],
      [
        'sends HTML',
        (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
        /"text\/html"/,
      ],
      [
        'sends an empty 200 without our headers',
        (_, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(),
        /no valid banhub-revision header/,
      ],
      [
        'sends a wrong digest',
        (_, response) =>
          void response
            .writeHead(200, { ...listHeaders(body, { revision: 9, count: 5 }), 'repr-digest': 'sha-256=:AAAA:' })
            .end(body),
        /does not match its Repr-Digest/,
      ],
      [
        'sends a wrong count',
        (_, response) => void response.writeHead(200, listHeaders(body, { revision: 9, count: 4 })).end(body),
        /5 entries where banhub-count says 4/,
      ],
      [
        'sends half a body',
        (_, response) => {
          response.writeHead(200, { ...listHeaders(body, { revision: 9, count: 5 }), 'content-length': body.length });
          response.write(body.subarray(0, 20), () => response.destroy());
        },
        /before its answer was complete/,
      ],
      [
        'sends a shell command among the addresses',
        (_, response) => {
          const evil = Buffer.from('198.18.7.7\n198.18.7.8; ip route flush table main\n');
          response.writeHead(200, listHeaders(evil, { revision: 9, count: 2 })).end(evil);
        },
        /line 2 is no address in canonical form/,
      ],
      ['never answers', () => undefined, /did not answer within 2 s/],
    ];
    for (const [title, how, reason] of troubles) {
      it(title, async () => {
        await client.run('once');
        if (how === 'down') await hub.stop();
        else hub.misbehave(how);
        const result = await client.run('once');
        assert.equal(result.code, 1);
        assert.match(result.stderr, reason);
        assert.match(result.stderr, /; kept: revision 1, 5 entries\n$/);
        assert.equal(result.stderr.trim().split('\n').length, 1);
        assert.deepEqual(await routes(), [...LIST].sort());
        assert.match((await client.run('status')).stdout, reason);
        if (how === 'down') await hub.listen();
        hub.behave();
        assert.equal((await client.run('once')).code, 0);
        assert.deepEqual(await routes(), [...LIST].sort());
      });
    }
  });

  it('enforces the last good list after a reboot, while the hub is away', async () => {
    await client.run('once');
    await host.exec(['ip', 'route', 'flush', 'proto', '166']);
    await host.exec(['ip', '-6', 'route', 'flush', 'proto', '166']);
    await hub.stop();
    const result = await client.run('once');
    assert.equal(result.code, 1);
    assert.deepEqual(await routes(), [...LIST].sort());
    await hub.listen();
  });

  it('takes a damaged state for none', async () => {
    await client.run('once');
    for (const name of ['blocklist', 'status.json']) await writeFile(join(client.stateFolder, name), 'x');
    assert.equal((await client.run('once')).code, 0);
    assert.deepEqual(await routes(), [...LIST].sort());
  });

  it('never blocks the host itself, its gateways, its resolvers, the hub, nor what is to be kept', async () => {
    const vital = ['198.18.0.2', '198.18.0.1', '198.18.0.53', '2001:2::2', '2001:2::1', '2001:2::53', '127.0.0.1'];
    await client.configure(settings({ BANHUB_KEEP: '198.18.9.0/24, 2001:2:0:9::9' }));
    hub.add(...vital, '198.18.9.9', '198.18.8.0/22', '2001:2:0:9::/64', '2001:2::/32', '198.18.0.0/16');
    const result = await client.run('once');
    assert.equal(result.code, 0);
    assert.deepEqual(await routes(), [...LIST].sort());
    assert.match(
      result.stderr,
      /^198\.18\.0\.2 is on the list but not blocked: this host's own address \(198\.18\.0\.2\)$/m,
    );
    assert.match(result.stderr, /^198\.18\.0\.1 is .* this host's gateway/m);
    assert.match(result.stderr, /^2001:2::1 is .* this host's gateway/m);
    assert.match(result.stderr, /^2001:2::53 is .* this host's resolver/m);
    assert.match(result.stderr, /^198\.18\.8\.0\/22 is .* kept by BANHUB_KEEP \(198\.18\.9\.0\/24\)$/m);
    assert.equal((await client.run('once')).stderr, '', 'told once, not each time');
    assert.match((await client.run('status')).stdout, /not blocked, because this host needs them: .*198\.18\.0\.53/);
  });

  it('never blocks the hub', async () => {
    await client.configure(settings({ BANHUB_URL: 'http://198.18.0.5:8080' }));
    const hubHost = await lan.addHost('hub', { addresses: ['198.18.0.5/15'] });
    await hubHost.relay(8080, hub.socketPath);
    hub.add('198.18.0.5', '198.18.0.4/30');
    const result = await client.run('once');
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /^198\.18\.0\.4\/30 is on the list but not blocked: the hub \(198\.18\.0\.5\)$/m);
    assert.deepEqual(await routes(), [...LIST].sort());
  });

  it('refuses a list that lost too much at once, until an administrator takes it', async () => {
    const many = Array.from({ length: 300 }, (_, i) => `198.19.7.${i % 250}`);
    const big = [...many, ...many.map((text) => text.replace('.7.', '.8.'))];
    hub.publish(big);
    await client.run('once');
    const held = await routes();
    hub.publish(LIST);
    const refused = await client.run('once');
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /refused: 500 of 500 entries would go, more than BANHUB_MAX_SHRINK=50 percent.*once --accept/,
    );
    assert.deepEqual(await routes(), held);
    const accepted = await client.run('once', '--accept');
    assert.equal(accepted.code, 0);
    assert.deepEqual(await routes(), [...LIST].sort());
  });

  it('refuses a list that is too long', async () => {
    await client.configure(settings({ BANHUB_MAX_ENTRIES: '4' }));
    const result = await client.run('once');
    assert.equal(result.code, 1);
    assert.match(result.stderr, /it has 5 entries, more than BANHUB_MAX_ENTRIES=4/);
    assert.deepEqual(await routes(), []);
  });

  it('lets a short list go altogether', async () => {
    hub.publish(['198.18.7.7']);
    await client.run('once');
    hub.publish([]);
    assert.equal((await client.run('once')).code, 0);
    assert.deepEqual(await routes(), []);
  });

  it('takes back what a former setting enforced with', async () => {
    const file = join(client.folder, 'banned.txt');
    await client.configure(settings({ BANHUB_ENFORCE: `route,file:${file}` }));
    await client.run('once');
    await client.configure(settings({ BANHUB_ENFORCE: 'nftables' }));
    const result = await client.run('once');
    assert.equal(result.code, 0);
    assert.match(result.stderr, /^route: no longer chosen, 5 entries removed$/m);
    assert.deepEqual(await routes(), []);
    await assert.rejects(readFile(file));
    assert.match((await host.exec(['nft', 'list', 'ruleset'])).stdout, /198\.18\.7\.7/);
  });

  it('enforces in several ways at once, and goes on with the others when one fails', async () => {
    await client.configure(settings({ BANHUB_ENFORCE: 'route,nftables,ipset,file:/proc/nowhere/list' }));
    const result = await client.run('once');
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^file:\/proc\/nowhere\/list: cannot write the file/m);
    assert.deepEqual(await routes(), [...LIST].sort());
    assert.match((await host.exec(['nft', 'list', 'ruleset'])).stdout, /198\.18\.7\.7/);
    assert.match((await host.exec(['ipset', 'save'])).stdout, /add banhub4 198\.18\.7\.7/);
  });

  it("finds its programs with cron's short PATH", async () => {
    await client.configure(settings({ BANHUB_ENFORCE: 'nftables' }));
    const command = ['env', '-i', 'PATH=/usr/bin:/bin', process.execPath, await bundledClient()];
    const { code, stderr } = await host.run([...command, 'once', '--config', client.configFile]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^nftables: 5 added/);
  });

  it('says what a missing program is', async () => {
    await client.configure(settings({ BANHUB_ENFORCE: 'fail2ban' }));
    const { code, stderr } = await client.run('once');
    assert.equal(code, 1);
    assert.match(stderr, /^fail2ban: cannot read jail banhub: /m);
  });

  it('shows its state', async () => {
    assert.match(
      (await client.run('status')).stdout,
      /^list: none yet\nroute: 0 entries enforced\nlast error: none\n$/,
    );
    await client.run('once');
    const { code, stdout } = await client.run('status');
    assert.equal(code, 0);
    assert.match(stdout, /^list: revision 1, 5 entries; pulled 20.*Z, enforced 20.*Z$/m);
    assert.match(stdout, /^route: 5 entries enforced$/m);
    assert.ok(!stdout.includes(FAKE_TOKEN));
  });

  it('checks everything and changes nothing', async () => {
    await client.configure(
      settings({ BANHUB_ENFORCE: `route,nftables,ipset,file:${join(client.folder, 'list.txt')}` }),
    );
    const before = (await host.exec(['nft', 'list', 'ruleset'])).stdout;
    const good = await client.run('check');
    assert.equal(good.code, 0, good.stdout);
    assert.match(good.stdout, /^ok {4}hub http:\/\/127\.0\.0\.1:8080\/: revision 1, 5 entries$/m);
    assert.deepEqual(await routes(), []);
    assert.equal((await host.exec(['nft', 'list', 'ruleset'])).stdout, before);
    await assert.rejects(readdir(client.stateFolder));

    await client.configure(settings({ BANHUB_TOKEN: 'another' }));
    await chmod(client.configFile, 0o644);
    const bad = await client.run('check');
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /^FAIL {2}hub .*401: it does not know the token/m);
    assert.match(bad.stdout, /^FAIL {2}.*sync\.conf holds the token and others may read it: chmod 600/m);
    assert.ok(!bad.stdout.includes('another'));
  });

  it('tells who is not root', async () => {
    const bundle = await bundledClient();
    await chmod(client.folder, 0o755);
    await chmod(client.configFile, 0o644);
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all'];
    await chmod(join(bundle, '..'), 0o755);
    const { code, stdout } = await host.run([...asNobody, 'node', bundle, 'check', '--config', client.configFile]);
    assert.equal(code, 1);
    assert.match(stdout, /^FAIL {2}route: may not change the network: run it as root, or with CAP_NET_ADMIN$/m);
  });

  it('flushes all that it ever set, without the hub', async () => {
    const file = join(client.folder, 'banned.txt');
    await client.configure(settings({ BANHUB_ENFORCE: `route,nftables,ipset,file:${file}` }));
    await host.exec(['ip', 'route', 'add', 'blackhole', '198.18.200.1']);
    await client.run('once');
    await client.configure(settings({ BANHUB_ENFORCE: 'route' }));
    await hub.stop();
    const { code, stderr } = await client.run('flush');
    assert.equal(code, 0, stderr);
    assert.deepEqual(await routes(), []);
    assert.doesNotMatch((await host.exec(['nft', 'list', 'ruleset'])).stdout, /banhub/);
    assert.equal((await host.exec(['ipset', 'list', '-n'])).stdout, '');
    await assert.rejects(readFile(file));
    assert.match((await host.exec(['ip', 'route'])).stdout, /^blackhole 198\.18\.200\.1/m);
    assert.match((await client.run('status')).stdout, /^list: none yet/);
    await hub.listen();
  });

  it('tells wrong arguments and settings by exit code 2', async () => {
    for (const args of [
      [],
      ['twice'],
      ['once', 'run'],
      ['once', '--force'],
      ['run', '--accept'],
      ['--confg', 'x', 'once'],
    ]) {
      const { code, stderr, stdout } = await client.run(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /^banhub-sync: .*--help tells more\n$/);
      assert.equal(stdout, '');
    }
    await client.configure(settings({ BANHUB_ENFORCE: 'magic' }));
    const { code, stderr } = await client.run('once');
    assert.equal(code, 2);
    assert.match(stderr, /^banhub-sync: BANHUB_ENFORCE: "magic" is none of/);
  });

  it('helps, and tells its version', async () => {
    const help = await client.run('--help');
    assert.equal(help.code, 0);
    for (const word of ['once', 'run', 'status', 'check', 'flush', 'BANHUB_ENFORCE', 'BANHUB_KEEP']) {
      assert.match(help.stdout, new RegExp(word));
    }
    assert.equal((await client.run('--version')).stdout, 'banhub-sync 1.2.3\n');
  });
});
