// Stories of `run`: the daemon as it ships, in a host's namespace.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFakeHub, FAKE_TOKEN, type FakeHub } from '../support/fake-hub.ts';
import { createLan, type Host, type Lan } from '../support/namespaces.ts';
import { type Client, createClient, type Daemon, eventually, ourRoutes } from './client-process.ts';

const LIST = ['198.18.7.7', '198.19.0.0/24', '2001:2:0:7::7'];

describe('banhub-sync run', () => {
  let lan: Lan;
  let host: Host;
  let hub: FakeHub;
  let client: Client;
  let daemon: Daemon;

  const settings = (changed: Record<string, string> = {}) => ({
    BANHUB_URL: 'http://127.0.0.1:8080',
    BANHUB_TOKEN: FAKE_TOKEN,
    BANHUB_ENFORCE: 'nftables,route',
    BANHUB_INTERVAL: '1',
    BANHUB_TIMEOUT: '2',
    ...changed,
  });
  beforeEach(async () => {
    lan = await createLan();
    host = await lan.addHost('host', { addresses: ['198.18.0.2/15', '2001:2::2/48'] });
    hub = await createFakeHub();
    await host.relay(8080, hub.socketPath);
    hub.publish(LIST);
    client = await createClient(host, settings());
  });
  afterEach(async () => {
    await daemon.stop();
    await client.remove();
    await hub.close();
    await lan.close();
  });

  const routes = () => ourRoutes(host);
  const elements = async (): Promise<string[]> => {
    const { stdout } = await host.run(['nft', 'list', 'table', 'inet', 'banhub']);
    return [...stdout.matchAll(/elements = \{([^}]*)\}/g)].flatMap(([, list = '']) => list.trim().split(/,\s*/)).sort();
  };
  const enforced = (what: string, list: readonly string[]) =>
    eventually(`${what}: ${list}`, async () => {
      const wanted = [...list].sort().join();
      return (await routes()).join() === wanted && (await elements()).join() === wanted;
    });
  const pathsAsked = () => hub.requests.map(({ path }) => path.replace(/\?.*/, ''));

  it('takes the whole list once, and then what changes', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    hub.add('198.18.7.8');
    await enforced('an address more', [...LIST, '198.18.7.8']);
    hub.remove('198.18.7.7', '198.19.0.0/24');
    await enforced('two entries less', ['198.18.7.8', '2001:2:0:7::7']);
    hub.add('198.19.0.0/16', '198.19.3.0/24', '198.19.3.3');
    // The inner network is not in the interval set.
    await eventually('a network in another one', async () => (await routes()).includes('198.19.3.0/24'));
    assert.ok(!(await elements()).includes('198.19.3.0/24'));
    hub.remove('198.19.0.0/16');
    await enforced('the inner network alone', ['198.18.7.8', '2001:2:0:7::7', '198.19.3.0/24', '198.19.3.3']);
    assert.equal(pathsAsked().filter((path) => path === '/blocklist.txt').length, 1);
    assert.equal(await daemon.stop(), 0);
  });

  it('stops on SIGTERM at once, and leaves what is enforced', async () => {
    await client.configure(settings({ BANHUB_INTERVAL: '3600' }));
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    assert.equal(await daemon.stop(), 0);
    assert.match(daemon.log(), /stopped; what is enforced stays enforced\n$/);
    assert.deepEqual(await routes(), [...LIST].sort());
    assert.ok(!(await readdir(client.stateFolder)).some((name) => name.startsWith('lock')));
  });

  it('stops on SIGTERM while the hub keeps it waiting', async () => {
    await client.configure(settings({ BANHUB_TIMEOUT: '600' }));
    hub.misbehave(() => undefined);
    daemon = client.startDaemon();
    await eventually('it waits for the hub', () => daemon.log().includes('started'));
    assert.equal(await daemon.stop(), 0);
  });

  it('mends its table within a round when someone removes it', async () => {
    await client.configure(settings({ BANHUB_FULL_INTERVAL: '3600' }));
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    await host.exec(['nft', 'delete', 'table', 'inet', 'banhub']);
    await enforced('all of it again', LIST);
    await host.exec(['nft', 'flush', 'ruleset']);
    await enforced('all of it again', LIST);
  });

  it('mends single entries with the next full comparison', async () => {
    await client.configure(settings({ BANHUB_FULL_INTERVAL: '2' }));
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    await host.exec(['nft', 'delete', 'element', 'inet', 'banhub', 'single4', '{ 198.18.7.7 }']);
    await host.exec(['ip', 'route', 'del', 'blackhole', '198.18.7.7']);
    await enforced('the entry again', LIST);
  });

  it('mends at once on SIGHUP', async () => {
    await client.configure(settings({ BANHUB_INTERVAL: '3600', BANHUB_FULL_INTERVAL: '3600' }));
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    await host.exec(['ip', 'route', 'del', 'blackhole', '198.18.7.7']);
    (await clientProcessOf(host)).forEach((pid) => {
      process.kill(pid, 'SIGHUP');
    });
    await enforced('the entry again', LIST);
  });

  it('goes through an error in one round to the right list in the next', async () => {
    await client.configure(settings({ BANHUB_FULL_INTERVAL: '3600' }));
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    // The hub takes away what somebody else already took out of the set: the transaction fails as a whole.
    await host.exec(['nft', 'delete', 'element', 'inet', 'banhub', 'single4', '{ 198.18.7.7 }']);
    hub.remove('198.18.7.7');
    hub.add('198.18.7.9');
    await enforced('the new list', ['198.18.7.9', '198.19.0.0/24', '2001:2:0:7::7']);
    assert.match(daemon.log(), /^nftables: cannot change the nftables table: /m);
  });

  it('keeps everything while the hub is away, and takes up what changed afterwards', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    hub.misbehave((_, response) => void response.writeHead(500).end('no'));
    await eventually('it tells why', () => /the hub answered 500; kept: revision 1, 3 entries/.test(daemon.log()));
    hub.add('198.18.7.8');
    assert.deepEqual(await routes(), [...LIST].sort());
    hub.behave();
    await enforced('the new list', [...LIST, '198.18.7.8']);
  });

  it('begins with the last good list when the hub is away, the changes since the last full one included', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    hub.add('198.18.7.8');
    await enforced('the second list', [...LIST, '198.18.7.8']);
    await daemon.stop();
    await client.run('flush');
    assert.deepEqual(await routes(), []);

    daemon = client.startDaemon();
    await enforced('the second list', [...LIST, '198.18.7.8']);
    hub.remove('198.18.7.7');
    const later = ['198.18.7.8', '198.19.0.0/24', '2001:2:0:7::7'];
    await enforced('the third list', later);
    await daemon.stop();
    await hub.stop();
    await host.exec(['nft', 'flush', 'ruleset']);
    await host.exec(['ip', 'route', 'flush', 'proto', '166']);
    daemon = client.startDaemon();
    await enforced('the third list after a reboot', later);
    await hub.listen();
  });

  it('enforces the last good list before the hub has answered', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    await daemon.stop();
    await host.exec(['nft', 'flush', 'ruleset']);
    await host.exec(['ip', 'route', 'flush', 'proto', '166']);
    await client.configure(settings({ BANHUB_TIMEOUT: '600' }));
    hub.misbehave(() => undefined);
    daemon = client.startDaemon();
    await enforced('the list from the disk', LIST);
  });

  it('pulls the whole list when the hub says so, or the changes do not add up', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    const wholeLists = () => pathsAsked().filter((path) => path === '/blocklist.txt').length;
    hub.misbehave((request, response) => {
      hub.behave();
      const changes = JSON.stringify({ revision: 1, since: 1, add: [], remove: [], lifted: [] });
      response.writeHead(200, { 'content-type': 'application/json', 'banhub-count': '4' }).end(changes);
      assert.match(request.url ?? '', /changes\?since=1$/);
    });
    await eventually('it asks for the whole list', () => wholeLists() === 2);
    assert.match(daemon.log(), /do not add up to the hub's list/);
    hub.misbehave((_, response) => {
      hub.behave();
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"revision":9,"reset":true}');
    });
    await eventually('it asks for the whole list again', () => wholeLists() === 3);
    await enforced('the list as it is', LIST);
  });

  it('frees an address at once when it becomes the own one', async () => {
    await client.configure(settings({ BANHUB_FULL_INTERVAL: '3600' }));
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    await host.exec(['ip', 'address', 'add', '198.18.7.7/15', 'dev', 'eth0']);
    await enforced('the list without it', LIST.slice(1));
    assert.match(daemon.log(), /198\.18\.7\.7 is on the list but not blocked: this host's own address/);
  });

  it('refuses what shrinks too much until it is told to accept it, from beside', async () => {
    const many = Array.from({ length: 200 }, (_, i) => `198.18.9.${i}`);
    hub.publish(many);
    daemon = client.startDaemon();
    await enforced('the long list', many);
    hub.publish(LIST);
    await eventually('it refuses', () => /the list is refused: 200 of 200 entries would go/.test(daemon.log()));
    assert.equal((await routes()).length, 200);
    const told = await client.run('once', '--accept');
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /run \(process \d+\) is at work: it was told to take the hub's list/);
    await enforced('the short list', LIST);
    const waiting = () =>
      readFile(join(client.stateFolder, 'accept'))
        .then(() => true)
        .catch(() => false);
    await eventually('what was told is forgotten', async () => !(await waiting()));
  });

  it('does not let a second client work beside it', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    for (const command of ['once', 'run', 'flush']) {
      const { code, stderr } = await client.run(command);
      assert.equal(code, 1);
      assert.match(stderr, /^banhub-sync run \(process \d+\) is at work in .*: nothing done\n$/);
    }
    assert.equal((await client.run('status')).code, 0);
    assert.deepEqual(await routes(), [...LIST].sort());
  });

  it('starts after it was killed', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    for (const pid of await clientProcessOf(host)) process.kill(pid, 'SIGKILL');
    await eventually('it is gone', async () => (await clientProcessOf(host)).length === 0);
    daemon = client.startDaemon();
    hub.add('198.18.7.8');
    await enforced('the second list', [...LIST, '198.18.7.8']);
  });

  it('never shows its token', async () => {
    daemon = client.startDaemon();
    await enforced('the first list', LIST);
    hub.misbehave((_, response) => void response.writeHead(401).end(FAKE_TOKEN));
    await eventually('it tells why', () => /401/.test(daemon.log()));
    assert.ok(!daemon.log().includes(FAKE_TOKEN));
    for (const pid of await clientProcessOf(host)) {
      assert.ok(!(await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(FAKE_TOKEN));
    }
  });
});

/** The daemon's process ids in this host. */
async function clientProcessOf(host: Host): Promise<number[]> {
  const { stdout } = await host.run(['ip', 'netns', 'pids', host.prefix[3] ?? '']);
  const pids = stdout.split('\n').filter(Boolean).map(Number);
  const found: number[] = [];
  for (const pid of pids) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/main\.cjs\0run\0/.test(command)) found.push(pid);
  }
  return found;
}
