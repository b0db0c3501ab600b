// The sync client in sh as a program: its settings, usage, secrets, lock, and the shells it runs in.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createFakeHub, type FakeHub } from '../support/fake-hub.ts';
import { answer, GOOD } from './answers.ts';
import { ShHost } from './sh-host.ts';

describe('banhub-sync.sh as a program', () => {
  let hub: FakeHub;
  let host: ShHost;

  beforeEach(async () => {
    hub = await createFakeHub();
    host = await ShHost.create(hub);
  });

  afterEach(async () => {
    await host.remove();
    await hub.close();
  });

  it('runs nothing that stands in its settings', async () => {
    const mark = `${host.dir}/mark`;
    hub.publish(['198.18.0.7']);
    await host.syncWith(
      [
        `BANHUB_URL="${host.settings.BANHUB_URL}" # $(touch ${mark})`,
        `export BANHUB_TOKEN = '${hub.token}'\r`,
        '  # a comment',
        `EVIL=\`touch ${mark}\``,
        `BANHUB_ENFORCE=route # which`,
        `BANHUB_STATE_DIR=${host.dir}/state`,
        `touch ${mark}`,
      ].join('\n'),
    );
    assert.ok(!existsSync(mark));
    assert.deepEqual(await host.routes(), ['198.18.0.7']);
  });

  it('takes the token from a file, and an address of the hub with a slash behind', async () => {
    await writeFile(`${host.dir}/token`, `${hub.token}\n`);
    delete host.settings.BANHUB_TOKEN;
    host.settings.BANHUB_TOKEN_FILE = `${host.dir}/token`;
    host.settings.BANHUB_URL += '/';
    hub.publish(['198.18.0.7']);
    assert.equal((await host.sync()).code, 0);
    assert.equal(hub.requests[0]?.path, '/blocklist.txt');
  });

  const wrong: [Record<string, string>, RegExp][] = [
    [{ BANHUB_URL: '' }, /BANHUB_URL/],
    [{ BANHUB_URL: 'file:///etc/passwd' }, /BANHUB_URL/],
    [{ BANHUB_URL: 'http://x"\\noutput="/etc/passwd' }, /BANHUB_URL/],
    [{ BANHUB_TOKEN: '' }, /BANHUB_TOKEN/],
    [{ BANHUB_TOKEN: 'a"b' }, /BANHUB_TOKEN/],
    [{ BANHUB_TOKEN: '', BANHUB_TOKEN_FILE: '/nonexistent' }, /BANHUB_TOKEN_FILE/],
    [{ BANHUB_ENFORCE: '' }, /BANHUB_ENFORCE/],
    [{ BANHUB_ENFORCE: 'route,ipset' }, /BANHUB_ENFORCE.*ipset/],
    [{ BANHUB_KEEP: '198.18.0.1, hub.example.org' }, /BANHUB_KEEP/],
    [{ BANHUB_KEEP: '198.18.0.1/24' }, /BANHUB_KEEP/],
    [{ BANHUB_STATE_DIR: 'state' }, /BANHUB_STATE_DIR/],
    [{ BANHUB_MAX_SHRINK: 'half' }, /BANHUB_MAX_SHRINK/],
  ];
  for (const [settings, said] of wrong) {
    it(`ends with 2 and names the setting: ${JSON.stringify(settings)}`, async () => {
      Object.assign(host.settings, settings);
      const { code, stderr } = await host.sync();
      assert.equal(code, 2, stderr);
      assert.match(stderr, said);
      assert.equal(hub.requests.length, 0);
    });
  }

  it('ends with 2 on wrong usage, and explains itself with --help', async () => {
    assert.equal((await host.sync('--nonsense')).code, 2);
    const { code, stdout } = await host.sync('--help');
    assert.equal(code, 0);
    assert.match(stdout, /BANHUB_URL/);
  });

  it('shows the token in no command line, and keeps no file of it', async () => {
    let seen: string[] = [];
    hub.misbehave((_request, response) => {
      commandLines().then((lines) => {
        seen = lines;
        answer(['198.18.0.7'])(_request, response);
      });
    });
    hub.publish(['198.18.0.7']);
    assert.equal((await host.sync()).code, 0);
    assert.ok(seen.some((line) => line.startsWith('curl\0')));
    assert.ok(seen.every((line) => !line.includes(hub.token)));
    const { stdout } = await host.host.run(['grep', '-r', hub.token, host.settings.BANHUB_STATE_DIR!]);
    assert.equal(stdout, '');
  });

  it('runs once at a time, and a run that was killed is in nobody’s way', async () => {
    hub.publish([...GOOD]);
    const held: (() => void)[] = [];
    const asked = new Promise<void>((resolve) => {
      hub.misbehave((request, response) => {
        held.push(() => answer(GOOD)(request, response));
        resolve();
      });
    });
    const first = host.sync();
    await asked;
    const second = await host.sync();
    assert.equal(second.code, 1);
    assert.match(second.stderr, /another run is not finished/);
    held[0]?.();
    assert.equal((await first).code, 0);
    await writeFile(`${host.settings.BANHUB_STATE_DIR}/sh.lock`, '99999\n');
    hub.behave();
    assert.equal((await host.sync()).code, 0);
  });

  for (const shell of [['dash'], ['bash', '--posix']]) {
    it(`does the same in ${shell[0]}`, async () => {
      host.shell = shell;
      host.settings.BANHUB_ENFORCE = 'route,nftables';
      hub.publish(GOOD);
      const { code, stderr } = await host.sync();
      assert.equal(code, 0, stderr);
      assert.deepEqual([await host.routes(), await host.elements()], [[...GOOD].sort(), [...GOOD].sort()]);
      assert.equal((await host.sync('flush')).code, 0);
      assert.deepEqual([await host.routes(), await host.elements()], [[], []]);
    });
  }
});

async function commandLines(): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'latin1').catch(() => '')));
}
