// The settings, as an administrator gets them right and wrong.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../server/config.ts';
import { newSqlite } from '../support/engines.ts';
import { freePort } from '../support/mariadb.ts';
import { buildProgram, endPrograms, Program, run, type Settings } from './program.ts';

describe('Settings', () => {
  let folder: string;

  before(buildProgram);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'banhub-settings-'));
  });
  afterEach(async () => {
    await endPrograms();
    rmSync(folder, { recursive: true, force: true });
  });

  function file(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  const BAD: Record<string, string[]> = {
    BANHUB_LISTEN: [
      '8080',
      'localhost',
      ':8080',
      '127.0.0.1:',
      '127.0.0.1:65536',
      '127.0.0.1:http',
      '::1:8080',
      'http://127.0.0.1:80',
    ],
    BANHUB_DATABASE_URL: [
      'sqlite:',
      'banhub.db',
      'postgres://user@host/db',
      'mysql://user@host',
      'mysql://user@host/',
      'mysql:///db',
      'mysql://user:100%@host/db',
      'mysql://user@host:port/db',
    ],
    BANHUB_PUBLIC_URL: [
      'hub.example.org',
      'ftp://hub',
      '//hub',
      'https://',
      "https://hub/';reboot;'",
      'https://hub/$(id)',
      'https://hub/?a=b',
    ],
    BANHUB_TLS_CERT: ['/only/one/of/two'],
    BANHUB_TLS_KEY: ['/only/one/of/two'],
    BANHUB_TRUST_PROXY: ['true', 'proxy.example.org', '198.18.0.256', '198.18.0.0/33', '198.18.0.1;198.18.0.2'],
    BANHUB_DEFAULT_BANTIME: ['0', '-2', '1.5', '10m', 'forever', '3155760001'],
    BANHUB_QUORUM: ['0', '-1', 'two', 'sshd', 'sshd=', '=2', 'sshd=0', '1001', '2,sshd=x'],
    BANHUB_WIDEST_IPV4: ['33', '-1', '/16', 'x', '1e1'],
    BANHUB_WIDEST_IPV6: ['129', '-1', '/32', 'x'],
    BANHUB_ALLOW_RANGES: ['all', 'loopback', 'private,multicast', 'Private'],
    BANHUB_RATE_LIMIT: ['-1', 'none', '0.5', '10000001'],
    BANHUB_SIGNIN_LIMIT: ['0', '-1', 'many'],
    BANHUB_HISTORY_DAYS: ['0', '-1', '1y', '36501'],
    BANHUB_LOG_LEVEL: ['verbose', 'INFO', '30'],
  };

  it('each refuse what they cannot mean, and the error names the setting', () => {
    for (const [name, values] of Object.entries(BAD)) {
      for (const value of values) {
        assert.throws(
          () => readConfig(undefined, { [name]: value }),
          (error: Error & { code?: string; field?: string }) => {
            assert.equal(error.code, 'invalid', `${name}=${value}`);
            assert.match(error.field ?? '', /^BANHUB_/);
            assert.ok(error.message.startsWith(`${error.field}: `), error.message);
            if (!name.startsWith('BANHUB_TLS')) assert.equal(error.field, name, value);
            return true;
          },
          `${name}=${value}`,
        );
      }
    }
    assert.deepEqual(Object.keys(BAD).sort(), Object.keys(readConfig(undefined, {})).sort());
  });

  it('are each read as they are meant', () => {
    const config = readConfig(undefined, {
      BANHUB_LISTEN: '[::1]:0',
      BANHUB_PUBLIC_URL: 'https://hub.example.org/fleet/',
      BANHUB_TRUST_PROXY: 'loopback, 198.18.0.0/16 ,2001:2::1',
      BANHUB_DEFAULT_BANTIME: '600',
      BANHUB_QUORUM: '2, sshd=3, opensips = 1',
      BANHUB_ALLOW_RANGES: ' private, shared ',
    });
    assert.deepEqual(config.BANHUB_LISTEN, { host: '::1', port: 0 });
    assert.equal(config.BANHUB_PUBLIC_URL, 'https://hub.example.org/fleet');
    assert.deepEqual(config.BANHUB_TRUST_PROXY, ['loopback', '198.18.0.0/16', '2001:2::1']);
    assert.equal(config.BANHUB_DEFAULT_BANTIME, 600_000);
    assert.deepEqual(config.BANHUB_QUORUM, {
      default: 2,
      byJail: new Map([
        ['sshd', 3],
        ['opensips', 1],
      ]),
    });
    assert.deepEqual(config.BANHUB_ALLOW_RANGES, ['private', 'shared']);
    assert.equal(readConfig(undefined, { BANHUB_DEFAULT_BANTIME: '-1' }).BANHUB_DEFAULT_BANTIME, -1);
  });

  it('that are wrong end the program with status 2 before it touches anything', async () => {
    const url = `sqlite:${folder}/untouched/banhub.db`;
    const wrong = { BANHUB_LISTEN: '127.0.0.1', BANHUB_TRUST_PROXY: 'nonsense', BANHUB_QUORUM: 'many' };
    await Promise.all(
      Object.entries(wrong).flatMap(([name, value]) =>
        [['serve'], ['migrate'], ['host', 'add', 'web1']].map(async (args) => {
          const { code, stdout, stderr } = await run(args, { BANHUB_DATABASE_URL: url, [name]: value });
          assert.deepEqual([code, stdout], [2, ''], stderr);
          assert.match(stderr, new RegExp(`^banhub: ${name}: .+\n$`));
        }),
      ),
    );
    assert.throws(() => rmSync(`${folder}/untouched`), /ENOENT/);
  });

  it('that cannot be listened on are named', async () => {
    const settings = { BANHUB_DATABASE_URL: newSqlite() };
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const busy = await run([], { ...settings, BANHUB_LISTEN: `127.0.0.1:${port}` });
    taken.close();
    assert.deepEqual([busy.code, /^banhub: BANHUB_LISTEN: .*EADDRINUSE/m.test(busy.stderr)], [1, true], busy.stderr);
    const foreign = await run([], { ...settings, BANHUB_LISTEN: '198.18.99.99:8080' });
    assert.deepEqual(
      [foreign.code, /^banhub: BANHUB_LISTEN: .*EADDRNOTAVAIL/m.test(foreign.stderr)],
      [2, true],
      foreign.stderr,
    );
  });

  it('that name no certificate are named', async () => {
    const settings = { BANHUB_DATABASE_URL: newSqlite(), BANHUB_LISTEN: '127.0.0.1:0' };
    const nonsense = file('nonsense.pem', 'this is no certificate');
    for (const path of [join(folder, 'missing.pem'), folder, nonsense]) {
      const { code, stderr } = await run([], { ...settings, BANHUB_TLS_CERT: path, BANHUB_TLS_KEY: path });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^banhub: BANHUB_TLS_CERT and BANHUB_TLS_KEY: /m);
    }
  });

  it('that name no database say so, without the password', async () => {
    mkdirSync(join(folder, 'a-folder'));
    file('a-file', 'this is no database, but it is long enough to be taken for one at first sight');
    for (const path of ['a-folder', 'a-file', 'a-file/below.db']) {
      const { code, stderr } = await run(['host', 'list'], { BANHUB_DATABASE_URL: `sqlite:${folder}/${path}` });
      assert.equal(code, 1, stderr);
      assert.match(stderr, new RegExp(`^banhub: cannot open the SQLite database ${folder}/${path}: `));
    }
    const url = `mysql://user:s3cret-word@127.0.0.1:${await freePort()}/banhub`;
    for (const args of [['host', 'list'], ['migrate'], ['serve']]) {
      const { code, stdout, stderr } = await run(args, { BANHUB_DATABASE_URL: url });
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^banhub: the database does not answer: .*ECONNREFUSED/);
      assert.doesNotMatch(stdout + stderr, /s3cret-word/);
    }
  });

  it('that a file has and nobody knows are refused, and named with the file', async () => {
    const path = file('hub.env', 'BANHUB_LISTEM=0.0.0.0:80\n');
    const { code, stderr } = await run(['host', 'list', '--config', path]);
    assert.equal(code, 2);
    assert.match(stderr, /^banhub: BANHUB_LISTEM: .*hub\.env/);
  });

  it('of a NAME_FILE that is no secret are refused too', async () => {
    const path = file('hub.env', 'BANHUB_LISTEN_FILE=/run/listen\n');
    const { code, stderr } = await run(['host', 'list', '--config', path]);
    assert.deepEqual([code, /^banhub: BANHUB_LISTEN_FILE: /.test(stderr)], [2, true]);
  });

  it('that the environment has and nobody knows are warned of, for another program may own them', async () => {
    const hub = await Program.serve({ BANHUB_DATABASE_URL: newSqlite(), BANHUB_URL: 'http://hub' });
    await hub.says(/"unknown":\["BANHUB_URL"\]/);
    assert.equal((await hub.stop()).code, 0);
  });

  it('come from a file, with comments and quotes, and the environment goes first', async () => {
    const path = file(
      'hub.env',
      `# the hub\nBANHUB_DATABASE_URL="${newSqlite()}"\nexport BANHUB_QUORUM='2, sshd=3' # two\nBANHUB_HISTORY_DAYS=5\nOTHER=1\n`,
    );
    const config = readConfig(path, { BANHUB_HISTORY_DAYS: '7' });
    assert.deepEqual([config.BANHUB_QUORUM.default, config.BANHUB_HISTORY_DAYS], [2, 7]);
    assert.match(config.BANHUB_DATABASE_URL, /^sqlite:.*banhub\.db$/);

    assert.equal((await run(['host', 'add', 'web1', '--config', path])).code, 0);
    assert.match((await run(['--config', path, 'host', 'list'])).stdout, /^web1 /m);
    const elsewhere = await run(['host', 'list', '--config', path], { BANHUB_DATABASE_URL: newSqlite() });
    assert.doesNotMatch(elsewhere.stdout, /web1/);
  });

  it('of a file that cannot be read end the program with status 2', async () => {
    const { code, stderr } = await run(['host', 'list', '--config', join(folder, 'missing.env')]);
    assert.equal(code, 2);
    assert.match(stderr, /^banhub: --config .*missing\.env: .*ENOENT/);
  });

  it('that are secret may stand in a file of their own, with a line end', () => {
    const [first, second] = [file('first', 'sqlite:first.db\n'), file('second', 'sqlite:second.db\n')];
    const config = file('hub.env', `BANHUB_DATABASE_URL_FILE=${second}\n`);
    const database = (env: Settings, path?: string) => readConfig(path, env).BANHUB_DATABASE_URL;
    assert.equal(database({ BANHUB_DATABASE_URL_FILE: first }), 'sqlite:first.db');
    assert.equal(database({}, config), 'sqlite:second.db');
    assert.equal(database({ BANHUB_DATABASE_URL_FILE: first }, config), 'sqlite:first.db');
    assert.equal(database({ BANHUB_DATABASE_URL: 'sqlite:direct.db' }, config), 'sqlite:direct.db');
    const direct = file('direct.env', 'BANHUB_DATABASE_URL=sqlite:direct.db\n');
    assert.equal(database({ BANHUB_DATABASE_URL_FILE: first }, direct), 'sqlite:first.db');

    const twice = { BANHUB_DATABASE_URL: 'sqlite:direct.db', BANHUB_DATABASE_URL_FILE: first };
    assert.throws(() => database(twice), /^Error: BANHUB_DATABASE_URL: .*BANHUB_DATABASE_URL_FILE|is given twice/);
    const missing = { BANHUB_DATABASE_URL_FILE: join(folder, 'missing') };
    assert.throws(() => database(missing), /BANHUB_DATABASE_URL_FILE: .*ENOENT/);
  });
});
