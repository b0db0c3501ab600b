// The running program: how it stops, how it speaks TLS, and how it gets by while its database is away.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildProgram, endPrograms, Program, run } from '../cli/program.ts';
import { newSqlite, onBothEngines } from '../support/engines.ts';
import { type MariaDb, startMariaDb } from '../support/mariadb.ts';
import { until } from '../support/until.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function addHost(database: string, name: string, scope = 'report,pull'): Promise<string> {
  const { stdout, stderr } = await run(['host', 'add', name, '--scope', scope], { BANHUB_DATABASE_URL: database });
  assert.match(stdout, /^bh_/, stderr);
  return stdout.trim();
}

function report(hub: Program, token: string, ip: string): Promise<Response> {
  const body = new URLSearchParams({ action: 'ban', ip, jail: 'sshd', bantime: '-1' });
  return fetch(`${hub.url}/api/v1/reports`, { method: 'POST', headers: bearer(token), body });
}

async function list(hub: Program, token: string): Promise<string[]> {
  const response = await fetch(`${hub.url}/blocklist.txt`, { headers: bearer(token) });
  assert.equal(response.status, 200);
  return (await response.text()).split('\n').slice(0, -1);
}

/** A report that the hub has begun to read and that still lacks its body. */
class SlowReport {
  readonly #socket: Socket;
  readonly #body: string;
  #answer = '';

  private constructor(socket: Socket, body: string) {
    this.#socket = socket;
    this.#body = body;
    socket.on('data', (chunk) => {
      this.#answer += chunk;
    });
  }

  static async begin(hub: Program, token: string, ip: string): Promise<SlowReport> {
    const { hostname, port } = new URL(hub.url);
    const socket = connect(Number(port), hostname);
    const slow = new SlowReport(socket, `action=ban&ip=${ip}&jail=sshd&bantime=-1`);
    socket.write(
      `POST /api/v1/reports HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${token}\r\nExpect: 100-continue\r\n` +
        `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${slow.#body.length}\r\n\r\n`,
    );
    await until(() => slow.#answer.includes('100 Continue'), { what: 'the hub has accepted the request' });
    slow.#answer = '';
    return slow;
  }

  /** Sends the body; returns the answer when the hub has closed the connection. */
  async end(): Promise<string> {
    const closed = once(this.#socket, 'close');
    this.#socket.write(this.#body);
    await closed;
    return this.#answer;
  }
}

async function isClosed(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const outcome = await Promise.race([once(socket, 'connect'), once(socket, 'error')]).catch((error) => [error]);
  socket.destroy();
  return outcome[0]?.code === 'ECONNREFUSED';
}

onBothEngines('A hub that is told to stop', (newDatabase) => {
  let database: string;
  let token: string;
  let hub: Program;

  before(buildProgram);
  beforeEach(async () => {
    database = await newDatabase();
    token = await addHost(database, 'web1');
    hub = await Program.serve({ BANHUB_DATABASE_URL: database });
  });
  afterEach(endPrograms);

  const restart = () => Program.serve({ BANHUB_DATABASE_URL: database });

  it('answers every report that it has accepted, ends with status 0, and has them all when it starts again', async () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `198.18.0.${i + 1}`);
    const reports = await Promise.all(addresses.map((ip) => SlowReport.begin(hub, token, ip)));
    hub.send('SIGTERM');
    await hub.says(/"msg":"stopping"/);
    await until(() => isClosed(hub.url), { what: 'nothing new is accepted' });
    const answers = await Promise.all(reports.map((slow) => slow.end()));
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"outcome":"banned",/);
    const { code, signal, stderr } = await hub.ended;
    assert.deepEqual([code, signal], [0, null], stderr);
    assert.match(stderr, /"msg":"stopped"/);
    assert.doesNotMatch(stderr, /"level":[56]0/);
    assert.deepEqual(await list(await restart(), token), addresses);
  });

  for (const { signal, end } of [
    { signal: 'SIGTERM', end: [0, null] },
    { signal: 'SIGKILL', end: [null, 'SIGKILL'] },
  ] as const) {
    it(`has stored all that it answered when ${signal} comes in the middle of a rush`, async () => {
      const answered: string[] = [];
      const statuses = new Set<number>();
      const reporters = Array.from({ length: 16 }, async (_, reporter) => {
        for (let i = 0; i < 250; i++) {
          const ip = `198.18.${reporter}.${i}`;
          const response = await report(hub, token, ip).catch(() => undefined);
          if (!response) return;
          statuses.add(response.status);
          const { outcome } = (await response.json().catch(() => ({}))) as { outcome?: string };
          if (outcome === 'banned') answered.push(ip);
        }
      });
      await until(() => answered.length > 50, { what: 'the rush has begun' });
      hub.send(signal);
      await Promise.all(reporters);
      const ended = await hub.ended;
      assert.deepEqual([ended.code, ended.signal], end);
      assert.deepEqual(statuses, new Set([200]));
      assert.ok(answered.length < 16 * 250, 'the hub was stopped after the rush, not in it');
      const stored = new Set(await list(await restart(), token));
      assert.deepEqual(
        answered.filter((ip) => !stored.has(ip)),
        [],
      );
    });
  }

  it('waits neither for connections that are idle nor for those that never spoke', async () => {
    const { hostname, port } = new URL(hub.url);
    await list(hub, token);
    const [idle, silent] = [connect(Number(port), hostname), connect(Number(port), hostname)];
    idle.write('GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n');
    await Promise.all([once(idle, 'data'), once(silent, 'connect')]);
    const closed = Promise.all([once(idle, 'close'), once(silent, 'close')]);
    silent.resume();
    idle.resume();
    hub.send('SIGINT');
    const first = await Promise.race([hub.ended, until(() => false, { what: 'it has ended', seconds: 5 })]);
    assert.equal(first?.code, 0);
    await closed;
  });
});

describe('A hub that speaks TLS', () => {
  let folder: string;
  let database: string;
  let token: string;

  before(buildProgram);
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'banhub-tls-'));
    database = newSqlite();
    token = await addHost(database, 'web1');
  });
  afterEach(async () => {
    await endPrograms();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Makes NAME.crt and NAME.key, signed by themselves. */
  function certify(name: string): void {
    const { status, stderr } = spawnSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)],
      ],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
  }

  function install(name: string): void {
    for (const kind of ['crt', 'key']) copyFileSync(join(folder, `${name}.${kind}`), join(folder, `hub.${kind}`));
  }

  function curl(hub: Program, authority: string, ...args: string[]) {
    const all = ['-sS', '--cacert', join(folder, `${authority}.crt`), '-H', `Authorization: Bearer ${token}`, ...args];
    return spawnSync('curl', [...all.slice(0, -1), `${hub.url}${all.at(-1)}`], { encoding: 'utf8' });
  }

  function serve(): Promise<Program> {
    return Program.serve({
      BANHUB_DATABASE_URL: database,
      BANHUB_TLS_CERT: join(folder, 'hub.crt'),
      BANHUB_TLS_KEY: join(folder, 'hub.key'),
    });
  }

  it('takes reports and gives its list to whoever trusts its certificate', async () => {
    certify('first');
    install('first');
    const hub = await serve();
    assert.match(hub.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const reported = curl(hub, 'first', '-d', 'action=ban&ip=198.18.0.7&jail=sshd', '/api/v1/reports');
    assert.deepEqual(JSON.parse(reported.stdout), { outcome: 'banned', revision: 1 }, reported.stderr);
    assert.equal(curl(hub, 'first', '/blocklist.txt').stdout, '198.18.0.7\n');

    certify('stranger');
    assert.match(curl(hub, 'stranger', '/blocklist.txt').stderr, /certificate/);
    const plain = spawnSync('curl', ['-sS', hub.url.replace('https', 'http')], { encoding: 'utf8' });
    assert.notEqual(plain.status, 0);
    assert.equal((await hub.stop()).code, 0);
  });

  it('reads a renewed certificate on SIGHUP, and keeps the old one when the new one is broken', async () => {
    certify('first');
    certify('second');
    install('first');
    const hub = await serve();
    assert.equal(curl(hub, 'first', '/blocklist.txt').status, 0);
    install('second');
    hub.send('SIGHUP');
    await hub.says(/certificate read again/);
    assert.equal(curl(hub, 'second', '/blocklist.txt').status, 0);
    assert.notEqual(curl(hub, 'first', '/blocklist.txt').status, 0);

    writeFileSync(join(folder, 'hub.crt'), 'half a cert');
    hub.send('SIGHUP');
    await hub.says(/cannot read the certificate/);
    assert.equal(curl(hub, 'second', '/blocklist.txt').status, 0);
    assert.equal((await hub.stop()).code, 0);
  });

  it('takes SIGHUP for nothing when it does not', async () => {
    const hub = await Program.serve({ BANHUB_DATABASE_URL: database });
    for (let i = 0; i < 5; i++) {
      hub.send('SIGHUP');
      assert.deepEqual(await list(hub, token), []);
    }
    const { code, signal, stderr } = await hub.stop();
    assert.deepEqual([code, signal], [0, null]);
    assert.doesNotMatch(stderr, /certificate/);
  });
});

describe('A hub whose database is away', () => {
  let mariadb: MariaDb;
  let database: string;
  let [token, admin] = ['', ''];
  let hub: Program;

  before(async () => {
    buildProgram();
    mariadb = await startMariaDb();
  });
  after(() => mariadb.remove());
  beforeEach(async () => {
    database = await mariadb.createDatabase();
    [token, admin] = [await addHost(database, 'web1'), await addHost(database, 'desk', 'admin')];
    hub = await Program.serve({ BANHUB_DATABASE_URL: database });
    assert.equal((await report(hub, token, '198.18.0.7')).status, 200);
  });
  afterEach(endPrograms);

  const statusOf = async (path: string, headers = {}) => (await fetch(`${hub.url}${path}`, { headers })).status;

  async function takeAway(): Promise<void> {
    await mariadb.kill('SIGKILL');
    await until(async () => (await statusOf('/readyz')) === 503, { what: 'the hub knows that the database is away' });
  }

  async function assertUnavailable(response: Response): Promise<void> {
    assert.equal(response.status, 503);
    assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    assert.deepEqual([code, detail], ['unavailable', 'the database does not answer']);
  }

  it('says that it lives and is not ready, takes no report, and goes on serving the last list', async () => {
    const before = await fetch(`${hub.url}/blocklist.txt`, { headers: bearer(token) });
    const etag = before.headers.get('etag') ?? '';
    await takeAway();
    assert.equal(await statusOf('/healthz'), 200);
    for (let i = 0; i < 5; i++) await assertUnavailable(await report(hub, token, '198.18.0.8'));
    const getBans = () => fetch(`${hub.url}/api/v1/bans`, { headers: bearer(admin) });
    await until(async () => (await getBans()).status === 503, { what: 'administration is unavailable' });

    const during = await fetch(`${hub.url}/blocklist.txt`, { headers: bearer(token) });
    assert.deepEqual([during.status, await during.text()], [200, '198.18.0.7\n']);
    assert.equal(during.headers.get('repr-digest'), before.headers.get('repr-digest'));
    assert.equal(await statusOf('/blocklist.txt', { ...bearer(token), 'if-none-match': etag }), 304);
    assert.equal(await statusOf('/api/v1/blocklist/changes?since=0', bearer(token)), 200);
    assert.equal(await statusOf('/blocklist.txt?family=4&aggregate=1', bearer(token)), 200);

    await mariadb.restart();
    await until(async () => (await statusOf('/readyz')) === 200, { what: 'the hub is ready again', seconds: 20 });
    assert.deepEqual(await list(hub, token), ['198.18.0.7']);
    assert.deepEqual(await (await report(hub, token, '198.18.0.9')).json(), { outcome: 'banned', revision: 2 });
    assert.deepEqual(await list(hub, token), ['198.18.0.7', '198.18.0.9']);
    assert.equal((await getBans()).status, 200);
    assert.equal((await hub.stop()).code, 0);
  });

  it('does not call a token wrong that it cannot look up', async () => {
    await takeAway();
    const stranger = `bh_${'x'.repeat(43)}`;
    await assertUnavailable(await fetch(`${hub.url}/blocklist.txt`, { headers: bearer(stranger) }));
    await assertUnavailable(await report(hub, stranger, '198.18.0.8'));
    await assertUnavailable(await fetch(`${hub.url}/blocklist.txt?token=${stranger}`));
    assert.equal(await statusOf('/blocklist.txt'), 401);
    await mariadb.restart();
    await until(async () => (await statusOf('/blocklist.txt', bearer(stranger))) === 401, {
      what: 'the token is known to be wrong',
      seconds: 20,
    });
  });

  it('takes in what another hub has done meanwhile, once it is back', async () => {
    const other = await Program.serve({ BANHUB_DATABASE_URL: database });
    await takeAway();
    await mariadb.restart();
    await until(async () => (await report(other, token, '198.18.0.10').catch(() => undefined))?.status === 200, {
      what: 'the other hub takes reports again',
      seconds: 20,
    });
    await until(async () => (await list(hub, token)).includes('198.18.0.10'), { what: 'both have the report' });
  });

  it('says once that the database is away and once that it is back', async () => {
    await takeAway();
    await mariadb.restart();
    await hub.says(/the database answers again/);
    const { stderr } = await hub.stop();
    assert.equal(stderr.match(/cannot follow the change log/g)?.length, 1);
    assert.equal(stderr.match(/the database answers again/g)?.length, 1);
  });

  it('still stops when it is told to', async () => {
    await takeAway();
    const { code, signal, stderr } = await hub.stop();
    assert.deepEqual([code, signal], [0, null], stderr);
    await mariadb.restart();
  });
});
