// The command line, as an administrator types it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addHost, parseScopes } from '../../server/fleet/enrol.ts';
import { Store } from '../../server/store/store.ts';
import { newSqlite } from '../support/engines.ts';
import { ROOT } from '../support/hub.ts';
import { buildProgram, endPrograms, Program, run } from './program.ts';

const TOKEN = /^bh_[\w-]{43}$/;

describe('The command line', () => {
  let settings: { BANHUB_DATABASE_URL: string };

  before(buildProgram);
  beforeEach(() => {
    settings = { BANHUB_DATABASE_URL: newSqlite() };
  });
  afterEach(endPrograms);

  const banhub = (...args: string[]) => run(args, settings);

  it('ends with status 2 and the usage when it is typed wrongly', async () => {
    const wrong = [
      ['nonsense'],
      ['serve', 'now'],
      ['migrate', 'down'],
      ['host'],
      ['host', 'add'],
      ['host', 'add', 'web1', 'web2'],
      ['host', 'list', 'web1'],
      ['host', 'revoke'],
      ['host', 'revoke', 'web1', 'web2'],
      ['host', 'rename', 'web1'],
      ['--nonsense'],
      ['serve', '--port', '80'],
      ['--config'],
      ['serve', '--scope', 'pull'],
      ['host', 'list', '--scope', 'pull'],
      ['host', 'add', 'web1', '--scope'],
    ];
    await Promise.all(
      wrong.map(async (args) => {
        const { code, stdout, stderr } = await banhub(...args);
        assert.deepEqual([code, stdout], [2, ''], args.join(' '));
        assert.match(stderr, /^banhub: .+\n\nUsage: banhub /, args.join(' '));
      }),
    );
  });

  it('tells how it is used, on standard output, when asked', async () => {
    for (const flag of ['--help', '-h']) {
      const { code, stdout, stderr } = await banhub(flag);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^Usage: banhub /);
      for (const word of ['serve', 'migrate', 'host add', 'host list', 'host revoke', '--config']) {
        assert.ok(stdout.includes(word), word);
      }
    }
  });

  it('host add prints the token alone on standard output, and what to paste beside it', async () => {
    const { code, stdout, stderr } = await banhub('host', 'add', 'web1');
    assert.equal(code, 0);
    assert.match(stdout, /^bh_[\w-]{43}\n$/);
    const token = stdout.trim();
    assert.match(stderr, /shown once/);
    assert.ok(stderr.includes(`Bearer ${token}`) && stderr.includes(`BANHUB_TOKEN=${token}`));
    assert.ok(stderr.includes('http://127.0.0.1:8080/api/v1/reports'));
  });

  it('host add uses the address that hosts reach the hub by', async () => {
    const { stderr } = await run(['host', 'add', 'web1'], {
      ...settings,
      BANHUB_PUBLIC_URL: 'https://hub.example.org/',
    });
    assert.ok(stderr.includes('url = "https://hub.example.org/api/v1/reports"'));
    assert.ok(stderr.includes('BANHUB_URL=https://hub.example.org\n'));
  });

  it('host add refuses a name that is in use, and gives a new token once the old one is revoked', async () => {
    const first = (await banhub('host', 'add', 'web1')).stdout;
    const again = await banhub('host', 'add', 'web1');
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /^banhub: host web1 is there already/);
    assert.equal((await banhub('host', 'revoke', 'web1')).code, 0);
    const second = (await banhub('host', 'add', 'web1')).stdout;
    assert.match(second.trim(), TOKEN);
    assert.notEqual(second, first);
  });

  it('host add refuses a name that is none, and a scope that is none', async () => {
    const [name, scope] = await Promise.all([
      banhub('host', 'add', 'web 1'),
      banhub('host', 'add', 'web1', '--scope', 'report,read'),
    ]);
    assert.deepEqual([name.code, name.stdout, scope.code, scope.stdout], [2, '', 2, '']);
    assert.match(name.stderr, /^banhub: NAME: must be /);
    assert.match(scope.stderr, /^banhub: --scope: "read" is none of report, pull, admin/);
    assert.doesNotMatch((await banhub('host', 'list')).stdout, /web/);

    const store = new Store({ url: newSqlite(), sqlFolder: join(ROOT, 'sql'), clock: Date.now });
    await store.migrate();
    for (const none of ['', '-', '.', 'web/1', 'web1-', '../web1', 'wéb', 'web\n1', 'w'.repeat(65), "w'1", 'a$(id)']) {
      await assert.rejects(addHost(store, none, ['pull']), { code: 'invalid', field: 'name' }, none);
    }
    for (const some of ['w', 'web-1.example.org', 'WEB_1', 'w'.repeat(64), '10']) {
      assert.match(await addHost(store, some, ['pull']), TOKEN);
    }
    await store.close();
    for (const none of ['', 'all', 'report,', 'report;pull', 'Report', 'report,report,x']) {
      assert.throws(() => parseScopes(none), { code: 'invalid', field: 'scope' }, none);
    }
  });

  it('host list shows every host, what it may do, and since when', async () => {
    assert.equal((await banhub('host', 'list')).stdout, 'NAME  SCOPES  SPEAKS FROM  ADDED (UTC)\n');
    await banhub('host', 'add', 'web1');
    await banhub('host', 'add', 'firewall', '--scope', 'pull');
    await banhub('host', 'add', 'desk', '--scope', 'admin, pull');
    await banhub('host', 'add', 'gone');
    await banhub('host', 'revoke', 'gone');
    const { code, stdout, stderr } = await banhub('host', 'list');
    assert.deepEqual([code, stderr], [0, '']);
    const rows = stdout.trim().split('\n').slice(1);
    assert.deepEqual(
      rows.map((row) => row.split(/\s{2,}/).slice(0, 3)),
      [
        ['desk', 'admin,pull', '-'],
        ['firewall', 'pull', '-'],
        ['gone', 'revoked', '-'],
        ['web1', 'report,pull', '-'],
      ],
    );
    for (const row of rows) assert.match(row, /\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/);
    assert.doesNotMatch(stdout, /bh_/);
  });

  it('host revoke refuses a host that is not there, or no longer', async () => {
    const unknown = await banhub('host', 'revoke', 'web1');
    assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
    assert.match(unknown.stderr, /^banhub: there is no host web1/);
    await banhub('host', 'add', 'web1');
    assert.equal((await banhub('host', 'revoke', 'web1')).code, 0);
    assert.equal((await banhub('host', 'revoke', 'web1')).code, 1);
  });

  it('works on the database in its folder when nothing is set', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'banhub-cwd-'));
    assert.equal((await run(['host', 'add', 'web1'], {}, folder)).code, 0);
    assert.ok(statSync(join(folder, 'data/banhub.db')).size > 0);
    rmSync(folder, { recursive: true });
  });

  describe('serve, on an empty database', () => {
    it('says where it is, how to add a host, and what to paste; and each of these lines works', async () => {
      const hub = await Program.serve(settings);
      await hub.says(/docs\/operator\.md/);
      assert.match(hub.url, /^http:\/\/127\.0\.0\.1:\d+$/);
      assert.ok(hub.stdout.includes(`SQLite, ${settings.BANHUB_DATABASE_URL.slice('sqlite:'.length)}`));

      const add = /^ {4}npm run -s banhub -- (host add web1)$/m.exec(hub.stdout)?.[1] ?? '';
      const token = (await banhub(...add.split(' '))).stdout.trim();
      assert.match(token, TOKEN);

      const [report = '', pull = ''] = [...hub.stdout.matchAll(/^ {4}(curl -sS .*TOKEN.*)$/gm)].map(
        (match) => match[1],
      );
      const shell = (line: string) => {
        const { status, stdout, stderr } = spawnSync('sh', ['-c', line.replaceAll('TOKEN', token)], {
          encoding: 'utf8',
        });
        assert.equal(status, 0, stderr);
        return stdout;
      };
      assert.deepEqual(JSON.parse(shell(report)), { outcome: 'banned', revision: 1 });
      assert.equal(shell(pull), '198.18.0.66\n');
    });

    it('says what to paste on the host, and that leaves a report file that works and that none but root may read', async () => {
      const hub = await Program.serve(settings);
      await hub.says(/docs\/operator\.md/);
      const token = (await banhub('host', 'add', 'web1')).stdout.trim();
      const text = hub.stdout.slice(hub.stdout.indexOf('paste there as root'));
      const lines = text.slice(text.indexOf('\n\n') + 2, text.indexOf('\nOther machines')).replace(/^ {4}/gm, '');

      // A host of our own: its files below a folder, and its services do nothing.
      const host = mkdtempSync(join(tmpdir(), 'banhub-host-'));
      for (const path of [
        'etc/fail2ban/action.d',
        'etc/fail2ban/jail.d',
        'etc/systemd/system',
        'usr/local/sbin',
        'bin',
      ]) {
        mkdirSync(join(host, path), { recursive: true });
      }
      for (const name of ['fail2ban-client', 'systemctl']) {
        writeFileSync(join(host, 'bin', name), `#!/bin/sh\necho "${name} $*" >> ${host}/called\n`);
        chmodSync(join(host, 'bin', name), 0o755);
      }
      const script = lines.replaceAll('TOKEN', token).replaceAll(`BANHUB_${token}`, 'BANHUB_TOKEN');
      const { status, stderr } = spawnSync(
        'sh',
        ['-e', '-c', script.replace(/(?<=[\s])\/(etc|usr)\//g, `${host}/$1/`)],
        {
          encoding: 'utf8',
          env: { ...process.env, PATH: `${host}/bin:${process.env.PATH}` },
        },
      );
      assert.equal(status, 0, stderr);
      const calls = readFileSync(join(host, 'called'), 'utf8');
      assert.match(calls, /fail2ban-client reload --restart/);
      assert.match(calls, /systemctl enable --now banhub-sync/);
      assert.match(readFileSync(join(host, 'etc/fail2ban/action.d/banhub.conf'), 'utf8'), /actionban/);
      assert.equal(
        readFileSync(join(host, 'etc/banhub/sync.conf'), 'utf8'),
        `BANHUB_URL=${hub.url}\nBANHUB_TOKEN=${token}\nBANHUB_ENFORCE=nftables\n`,
      );
      for (const name of ['report.curl', 'sync.conf']) {
        assert.equal(statSync(join(host, 'etc/banhub', name)).mode & 0o777, 0o600, name);
      }
      const curl = spawnSync(
        'curl',
        ['-sS', '-K', join(host, 'etc/banhub/report.curl'), '-d', 'action=ban&ip=198.18.0.7&jail=sshd'],
        { encoding: 'utf8' },
      );
      assert.deepEqual(JSON.parse(curl.stdout), { outcome: 'banned', revision: 1 }, curl.stderr);
      rmSync(host, { recursive: true });
    });

    it('repeats the settings file in the line that adds a host', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'banhub settings '));
      const path = join(folder, 'hub.env');
      writeFileSync(path, `BANHUB_DATABASE_URL=${settings.BANHUB_DATABASE_URL}\nBANHUB_LISTEN=127.0.0.1:0\n`);
      const hub = new Program(['serve', '--config', path]);
      await hub.says(/host add web1/);
      const add = /^ {4}npm run -s banhub -- (host add web1 .*)$/m.exec(hub.stdout)?.[1];
      assert.equal(add, `host add web1 --config '${path}'`);
      assert.equal((await hub.stop()).code, 0);
      rmSync(folder, { recursive: true });
    });

    it('warns that nobody else can reach it only while that is so', async () => {
      const local = await Program.serve(settings);
      await local.says(/Other machines cannot reach/);
      const open = await Program.serve({ ...settings, BANHUB_PUBLIC_URL: 'https://hub.example.org' });
      await open.says(/systemctl enable/);
      assert.ok(open.stdout.includes('curl -sS https://hub.example.org/api/v1/reports'));
      const { stdout } = await open.stop();
      assert.doesNotMatch(stdout, /Other machines/);
    });
  });

  it('serve, with hosts, says where it is and no more', async () => {
    await banhub('host', 'add', 'web1');
    const hub = await Program.serve(settings);
    const { stdout, code } = await hub.stop();
    assert.equal(code, 0);
    assert.match(stdout, /^Banhub is running at \S+ \(SQLite, \S+\)\. Stop it with Ctrl-C\.\n$/);
  });
});
