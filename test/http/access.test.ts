// Who may speak to the hub, how often, and what it says to all others.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { createApp } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import type { Scope } from '../../server/core/words.ts';
import { addHost, revokeHost } from '../../server/fleet/enrol.ts';
import { listen } from '../../server/http/listen.ts';
import { Store } from '../../server/store/store.ts';
import { newSqlite, onBothEngines } from '../support/engines.ts';
import { type Answer, ROOT, TestHub } from '../support/hub.ts';
import { until } from '../support/until.ts';

interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  field?: string;
  requestId: string;
}

/** A token of the right form that no hub ever gave. */
const STRANGERS = `bh_${'x'.repeat(43)}`;

interface Door {
  scope: Scope;
  method: string;
  path: string;
  body?: Record<string, string>;
}

const DOORS: readonly Door[] = [
  { scope: 'report', method: 'POST', path: '/api/v1/reports', body: { action: 'ban', ip: '198.18.0.7', jail: 'sshd' } },
  {
    scope: 'report',
    method: 'POST',
    path: '/api/v1/reports',
    body: { action: 'unban', ip: '198.18.6.6', jail: 'sshd' },
  },
  { scope: 'pull', method: 'GET', path: '/blocklist.txt' },
  { scope: 'pull', method: 'HEAD', path: '/blocklist.txt' },
  { scope: 'pull', method: 'GET', path: '/api/v1/blocklist/changes?since=0' },
  { scope: 'admin', method: 'GET', path: '/api/v1/bans' },
  { scope: 'admin', method: 'GET', path: '/api/v1/bans/198.18.6.6' },
  { scope: 'admin', method: 'POST', path: '/api/v1/bans', body: { address: '198.18.0.7' } },
  { scope: 'admin', method: 'DELETE', path: '/api/v1/bans/198.18.6.6' },
  { scope: 'admin', method: 'GET', path: '/api/v1/allowlist' },
  { scope: 'admin', method: 'POST', path: '/api/v1/allowlist', body: { address: '198.18.6.6' } },
  { scope: 'admin', method: 'DELETE', path: '/api/v1/allowlist/198.18.5.5' },
];

function knock(hub: TestHub, { method, path, body }: Door, headers: Record<string, string> = {}) {
  return hub.request<Problem>('', path, { method, headers, ...(body && { body: new URLSearchParams(body) }) });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

function assertProblem(answer: Answer<Problem>, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  if (answer.text === '') return; // to HEAD
  const { requestId, detail, ...rest } = answer.body;
  assert.deepEqual([rest.type, rest.status, rest.code], ['about:blank', status, code]);
  assert.match(requestId, /^[0-9a-f-]{36}$/);
  assert.ok(detail.length > 0);
}

onBothEngines('The doors of the hub', (newDatabase) => {
  let hub: TestHub;
  let admin: string;

  before(async () => {
    hub = await TestHub.start({ database: await newDatabase(), settings: { BANHUB_SIGNIN_LIMIT: '100000' } });
    admin = await hub.addHost('desk', 'admin', 'pull', 'report');
    await hub.ban(admin, '198.18.6.6', { bantime: -1 });
    await hub.sendJson(admin, 'POST', '/api/v1/allowlist', { address: '198.18.5.5' });
  });
  after(() => hub.close());

  /** All that anybody could have changed. */
  async function world() {
    const [bans, allowlist, ban] = [
      await hub.request(admin, '/api/v1/bans'),
      await hub.request(admin, '/api/v1/allowlist'),
      await hub.request(admin, '/api/v1/bans/198.18.6.6'),
    ];
    return [bans.body, allowlist.body, ban.body, await hub.list(admin), (await hub.store.log.position()).revision];
  }

  for (const door of DOORS) {
    const name = `${door.method} ${door.path}`;

    it(`${name} is closed without a token, and nothing changes`, async () => {
      const before = await world();
      const answer = await knock(hub, door);
      assertProblem(answer, 401, 'unauthorized');
      const scheme = door.scope === 'pull' ? 'Bearer, Basic realm="banhub"' : 'Bearer';
      assert.equal(answer.headers.get('www-authenticate'), scheme);
      assert.deepEqual(await world(), before);
    });

    it(`${name} is closed to a token that is not known, in every spelling`, async () => {
      const before = await world();
      for (const headers of [
        bearer(STRANGERS),
        bearer(admin.slice(0, -1)),
        bearer(`${admin}x`),
        bearer(admin.toUpperCase()),
        bearer(`"${admin}"`),
        { authorization: admin },
        { authorization: `Token ${admin}` },
        { authorization: `Bearer ${admin} ${admin}` },
        { authorization: 'Bearer ' },
        { authorization: 'Basic !!!' },
        { 'x-api-key': admin },
        { cookie: `token=${admin}` },
      ] as Record<string, string>[]) {
        assertProblem(await knock(hub, door, headers), 401, 'unauthorized');
      }
      assert.deepEqual(await world(), before);
    });

    it(`${name} is closed to a revoked token`, async () => {
      const host = `gone-${DOORS.indexOf(door)}`;
      const token = await hub.addHost(host, 'report', 'pull', 'admin');
      await revokeHost(hub.store, host);
      await until(async () => (await hub.request(token, '/blocklist.txt')).status === 401, {
        what: 'the revocation is known',
      });
      const before = await world();
      assertProblem(await knock(hub, door, bearer(token)), 401, 'unauthorized');
      assert.deepEqual(await world(), before);
    });

    it(`${name} is closed to a token without the scope ${door.scope}`, async () => {
      const others = (['report', 'pull', 'admin'] as const).filter((scope) => scope !== door.scope);
      const token = await hub.addHost(`without-${DOORS.indexOf(door)}`, ...others);
      const before = await world();
      const answer = await knock(hub, door, bearer(token));
      assertProblem(answer, 403, 'forbidden');
      if (door.method !== 'HEAD') assert.match(answer.body.detail, new RegExp(`scope ${door.scope}`));
      assert.deepEqual(await world(), before);
    });
  }

  for (const door of DOORS.filter(({ method }) => method === 'GET')) {
    it(`${door.method} ${door.path} is open to a token with the scope ${door.scope} alone`, async () => {
      const token = await hub.addHost(`only-${DOORS.indexOf(door)}`, door.scope);
      assert.equal((await knock(hub, door, bearer(token))).status, 200);
    });
  }

  it('takes a pull token as the password of Basic, whatever the user name', async () => {
    const token = await hub.addHost('firewall', 'pull');
    for (const headers of [
      basic('', token),
      basic('firewall', token),
      { authorization: `basic ${btoa(`x:${token}`)}` },
    ]) {
      for (const path of ['/blocklist.txt', '/api/v1/blocklist/changes?since=0']) {
        assert.equal((await hub.request('', path, { headers })).status, 200);
      }
    }
    assertProblem(await hub.request('', '/blocklist.txt', { headers: basic(token, '') }), 401, 'unauthorized');
    assertProblem(await hub.request('', '/blocklist.txt', { headers: basic('x', STRANGERS) }), 401, 'unauthorized');
  });

  it('takes a pull token as ?token=', async () => {
    const token = await hub.addHost('firewall-2', 'pull');
    assert.equal((await hub.request('', `/blocklist.txt?token=${token}`)).status, 200);
    assert.equal((await hub.request('', `/blocklist.txt?family=4&token=${token}`)).status, 200);
    assert.equal((await hub.request('', `/api/v1/blocklist/changes?since=0&token=${token}`)).status, 200);
    assertProblem(await hub.request('', `/blocklist.txt?token=${STRANGERS}`), 401, 'unauthorized');
    assertProblem(await hub.request('', `/blocklist.txt?token=${token}&token=${token}`), 401, 'unauthorized');
    assertProblem(await hub.request('', '/blocklist.txt?token='), 401, 'unauthorized');
  });

  it('takes neither for reports and administration, where an address is no place for a token', async () => {
    for (const door of DOORS.filter(({ scope }) => scope !== 'pull')) {
      const separator = door.path.includes('?') ? '&' : '?';
      const before = await world();
      assertProblem(await knock(hub, door, basic('desk', admin)), 401, 'unauthorized');
      const path = `${door.path}${separator}token=${admin}`;
      assertProblem(await knock(hub, { ...door, path }), 401, 'unauthorized');
      assert.deepEqual(await world(), before);
    }
  });

  it('knows a token at once that another process has added, and within a second one that it has revoked', async () => {
    const database = await newDatabase();
    const running = await TestHub.start({ database });
    const elsewhere = new Store({ url: database, sqlFolder: `${ROOT}/sql`, clock: Date.now });
    try {
      const token = await addHost(elsewhere, 'alpha', ['report', 'pull']);
      assert.equal((await running.ban(token, '198.18.0.7')).outcome, 'banned');

      await revokeHost(elsewhere, 'alpha');
      await until(async () => (await running.request(token, '/blocklist.txt')).status === 401, {
        what: 'the revoked token is refused',
        seconds: 1,
      });
      const renewed = await addHost(elsewhere, 'alpha', ['report', 'pull']);
      assert.equal((await running.request(renewed, '/blocklist.txt')).status, 200);
      assert.equal((await running.request(token, '/blocklist.txt')).status, 401);
    } finally {
      await elsewhere.close();
      await running.close();
    }
  });

  it('keeps no token in the database, only what cannot be turned back into one', async () => {
    const token = await hub.addHost('at-rest');
    const hashes = (await hub.store.fleet.credentials()).map(({ hash }) => hash);
    assert.ok(hashes.length > 0 && hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash)));
    assert.match(token, /^bh_[\w-]{43}$/);
  });
});

describe('Limits', () => {
  let hub: TestHub;
  afterEach(() => hub.close());

  it('hold up an address that fails to sign in too often, but no good token from there', async () => {
    hub = await TestHub.start({ settings: { BANHUB_SIGNIN_LIMIT: '3', BANHUB_TRUST_PROXY: 'loopback' } });
    const [alpha, puller] = [await hub.addHost('alpha'), await hub.addHost('firewall', 'pull')];
    await hub.list(alpha);
    const tryFrom = (from: string, token = STRANGERS) =>
      hub.request<Problem>(token, '/blocklist.txt', { headers: { 'x-forwarded-for': from } });

    for (let i = 0; i < 3; i++) assertProblem(await tryFrom('198.18.1.1'), 401, 'unauthorized');
    for (const token of [STRANGERS, '', `bh_${'y'.repeat(43)}`]) {
      const refused = await tryFrom('198.18.1.1', token);
      assertProblem(refused, 429, 'too_many_requests');
      assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    }
    assert.equal((await tryFrom('198.18.1.1', alpha)).status, 200);
    assert.equal((await tryFrom('198.18.1.1', puller)).status, 200);
    assertProblem(await tryFrom('198.18.1.2'), 401, 'unauthorized');
  });

  it('count an IPv6 attacker by network, who has addresses without end', async () => {
    hub = await TestHub.start({ settings: { BANHUB_SIGNIN_LIMIT: '3', BANHUB_TRUST_PROXY: 'loopback' } });
    const tryFrom = (from: string) =>
      hub.request(STRANGERS, '/blocklist.txt', { headers: { 'x-forwarded-for': from } });
    for (let i = 0; i < 3; i++) assert.equal((await tryFrom(`2001:2::${i}`)).status, 401);
    assert.equal((await tryFrom('2001:2::ffff')).status, 429);
    assert.equal((await tryFrom('2001:2:1::1')).status, 401);
  });

  it('do not believe X-Forwarded-For from a stranger', async () => {
    hub = await TestHub.start({ settings: { BANHUB_SIGNIN_LIMIT: '3' } });
    const tryAs = (from: string) => hub.request(STRANGERS, '/blocklist.txt', { headers: { 'x-forwarded-for': from } });
    for (let i = 0; i < 3; i++) assert.equal((await tryAs(`198.18.1.${i}`)).status, 401);
    assert.equal((await tryAs('198.18.1.99')).status, 429);
  });

  it('hold up a token that asks too often, and no other', async () => {
    hub = await TestHub.start({ settings: { BANHUB_RATE_LIMIT: '5' } });
    const [alpha, beta] = [await hub.addHost('alpha'), await hub.addHost('beta')];
    for (let i = 0; i < 4; i++) await hub.list(alpha);
    assert.equal((await hub.ban(alpha, '198.18.0.7')).outcome, 'banned');
    const refused = await hub.request<Problem>(alpha, '/api/v1/reports', {
      method: 'POST',
      body: new URLSearchParams({ action: 'ban', ip: '198.18.0.8', jail: 'sshd' }),
    });
    assertProblem(refused, 429, 'too_many_requests');
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.deepEqual(await hub.list(beta), ['198.18.0.7']);
  });

  it('count requests that a token has no right to', async () => {
    hub = await TestHub.start({ settings: { BANHUB_RATE_LIMIT: '2' } });
    const puller = await hub.addHost('firewall', 'pull');
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await hub.request(puller, '/api/v1/bans')).status);
    assert.deepEqual(statuses, [403, 403, 429]);
  });

  it('of 0 requests are no limit', async () => {
    hub = await TestHub.start({ settings: { BANHUB_RATE_LIMIT: '0' } });
    const alpha = await hub.addHost('alpha');
    const answers = await Promise.all(Array.from({ length: 50 }, () => hub.request(alpha, '/blocklist.txt')));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  });
});

describe('What the hub says of itself', () => {
  let hub: TestHub;
  let database: string;
  let [alpha, admin] = ['', ''];

  beforeEach(async () => {
    database = newSqlite();
    hub = await TestHub.start({ database, settings: { BANHUB_TRUST_PROXY: 'loopback', BANHUB_SIGNIN_LIMIT: '1000' } });
    [alpha, admin] = [await hub.addHost('alpha'), await hub.addHost('desk', 'admin', 'pull')];
    await hub.list(admin);
  });
  afterEach(() => hub.close());

  /** Makes requests to the allowlist fail as no code expects. */
  function breakDatabase(): void {
    const direct = new Database(database.slice('sqlite:'.length));
    direct.exec('ALTER TABLE allowlist RENAME TO mislaid');
    direct.close();
  }

  it('stands in the log without any token, whatever way it was sent', async () => {
    const post = { method: 'POST' };
    const json = { 'content-type': 'application/json' };
    breakDatabase();
    for (const token of [alpha, admin, STRANGERS]) {
      const encoded = btoa(`user:${token}`);
      for (const [path, init] of [
        ['/blocklist.txt', { headers: bearer(token) }],
        ['/api/v1/bans', { headers: bearer(token) }],
        ['/api/v1/allowlist', { headers: bearer(token) }],
        ['/nowhere', { headers: bearer(token) }],
        ['/blocklist.txt?family=5', { headers: bearer(token) }],
        ['/blocklist.txt', { headers: { authorization: `Basic ${encoded}` } }],
        ['/blocklist.txt', { headers: { authorization: `Bearer ${token} ${token}` } }],
        ['/blocklist.txt', { headers: { authorization: token } }],
        [`/blocklist.txt?token=${token}`, {}],
        [`/blocklist.txt?token=${token}&unknown=${token}`, {}],
        [`/api/v1/blocklist/changes?since=x&token=${token}`, {}],
        [`/api/v1/reports?token=${token}`, post],
        [`/${token}`, {}],
        [`/blocklist.txt/${token}`, {}],
        [`/api/v1/bans/${token}`, { headers: bearer(admin) }],
        [`/api/v1/bans/%zz${token}`, { headers: bearer(admin) }],
        [`/install/${token}`, {}],
        [`/api/v1/bans?jail=${token}&cursor=${token}`, { headers: bearer(admin) }],
        ['/api/v1/reports', { ...post, headers: { ...bearer(alpha), ...json }, body: `{"token": "${token}", ` }],
        ['/api/v1/reports', { ...post, headers: { ...bearer(alpha), ...json }, body: `"${token}"` }],
        ['/api/v1/reports', { ...post, headers: bearer(alpha), body: new URLSearchParams({ token, ip: token }) }],
        ['/api/v1/reports', { ...post, headers: bearer(alpha), body: new URLSearchParams({ [token]: token }) }],
        [
          '/api/v1/allowlist',
          { ...post, headers: bearer(admin), body: new URLSearchParams({ address: '198.18.0.1', comment: token }) },
        ],
        [
          '/healthz',
          { headers: { 'x-forwarded-for': token, referer: `http://x/?token=${token}`, 'user-agent': token } },
        ],
        ['/blocklist.txt', { headers: { 'x-forwarded-for': token, cookie: `token=${token}` } }],
      ] as [string, RequestInit][]) {
        await hub.request('', path, init);
      }
    }
    await until(() => hub.log.filter((line) => line.includes('"msg":"request"')).length >= 75, {
      what: 'all is logged',
    });
    assert.ok(hub.log.some((line) => line.includes('unexpected error')));
    for (const token of [alpha, admin, STRANGERS]) {
      for (const secret of [token, token.slice(3), btoa(`user:${token}`), encodeURIComponent(token)]) {
        assert.deepEqual(
          hub.log.filter((line) => line.includes(secret)),
          [],
        );
      }
    }
  });

  it('is no detail of an unexpected error, but an id that finds it in the log', async () => {
    breakDatabase();
    const answer = await hub.request<Problem>(admin, '/api/v1/allowlist');
    assertProblem(answer, 500, 'internal');
    assert.doesNotMatch(answer.text, /allowlist|table|sqlite|\.ts|at /i);
    const { requestId } = answer.body;
    const lines = hub.log.map((line) => JSON.parse(line)).filter((line) => line.requestId === requestId);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['unexpected error', 'request'],
    );
    assert.match(lines[0].err.message, /no such table: allowlist/);
    assert.equal((await hub.request(admin, '/blocklist.txt')).status, 200);
  });

  it('is a log line for each request, with who asked and from where', async () => {
    await hub.request(alpha, '/blocklist.txt?family=4', { headers: { 'x-forwarded-for': '198.18.1.1' } });
    const request = () => hub.log.map((line) => JSON.parse(line)).find(({ host }) => host === 'alpha');
    await until(() => request() !== undefined, { what: 'the request is logged' });
    const { method, path, status, from, host } = request();
    assert.deepEqual(
      { method, path, status, from, host },
      {
        method: 'GET',
        path: '/blocklist.txt',
        status: 200,
        from: '198.18.1.1',
        host: 'alpha',
      },
    );
  });

  it('is a problem for every odd path', async () => {
    for (const [path, status, code] of [
      ['/', 404, 'not_found'],
      ['/nowhere', 404, 'not_found'],
      ['/blocklist', 404, 'not_found'],
      ['/blocklist.txt.bak', 404, 'not_found'],
      ['/api/v1', 404, 'not_found'],
      ['/api/v2/reports', 404, 'not_found'],
      ['/api/v1/reports', 404, 'not_found'],
      ['/%zz', 404, 'not_found'],
      ['/%00', 404, 'not_found'],
      ['/install/%zz', 404, 'not_found'],
      ['/install/%00', 404, 'not_found'],
      ['/install/', 404, 'not_found'],
      ['/install/none.conf', 404, 'not_found'],
      ['/install/..%2f..%2fpackage.json', 404, 'not_found'],
      ['/install/%2e%2e/package.json', 404, 'not_found'],
      ['/install/systemd/..%2fmain.ts', 404, 'not_found'],
      ['/install/banhub.conf/', 404, 'not_found'],
      ['//example.org/', 404, 'not_found'],
      ['/api/v1/bans/%zz', 400, 'invalid'],
      ['/api/v1/bans/%00', 400, 'invalid'],
      ['/api/v1/bans/banana', 400, 'invalid'],
      ['/api/v1/bans/198.18.0.7/24/24', 400, 'invalid'],
      ['/api/v1/bans/..%2f..%2fetc', 400, 'invalid'],
      [`/api/v1/bans/${'1'.repeat(5_000)}`, 400, 'invalid'],
    ] as [string, number, string][]) {
      const answer = await hub.request<Problem>(admin, path);
      assertProblem(answer, status, code);
      assert.equal(answer.body.field, status === 404 ? undefined : path.includes('%zz') ? 'path' : 'address', path);
    }
    for (const method of ['PUT', 'PATCH', 'DELETE', 'POST']) {
      assertProblem(await hub.request<Problem>(admin, '/blocklist.txt', { method }), 404, 'not_found');
    }
    assert.deepEqual(
      hub.log.filter((line) => line.includes('unexpected')),
      [],
    );
  });

  it('is the files that a host needs, and a range of one is the whole of it', async () => {
    const plain = await hub.request('', '/install/banhub.conf');
    assert.equal(plain.status, 200);
    assert.match(plain.headers.get('content-type') ?? '', /^text\/plain/);
    assert.match(plain.text, /actionban/);
    for (const path of ['/install/banhub.conf', '/install/banhub-sync.sh']) {
      const ranged = await hub.request('', path, { headers: { range: 'bytes=99999999-' } });
      assert.equal(ranged.status, 200, path);
    }
  });

  it('is a problem too where a file of its own is missing', async () => {
    const store = new Store({ url: newSqlite(), sqlFolder: `${ROOT}/sql`, clock: Date.now });
    await store.migrate();
    const logger = pino({ level: 'silent' });
    const empty = dirname(database.slice('sqlite:'.length));
    const app = await createApp({ config: readConfig(undefined, {}), store, clock: Date.now, logger, root: empty });
    const server = await listen(app.handler, { host: '127.0.0.1', port: 0 });
    try {
      for (const path of ['/install/banhub-sync.js', '/install/banhub.conf', '/install/systemd/banhub-sync.service']) {
        const response = await fetch(`${server.url}${path}`);
        const { code } = (await response.json()) as Problem;
        assert.deepEqual([response.status, code], [404, 'not_found'], path);
      }
    } finally {
      await server.close();
      await app.close();
      await store.close();
    }
  });

  it('has the headers that keep a browser from harm', async () => {
    for (const path of ['/blocklist.txt', '/healthz', '/nowhere', '/api/v1/bans', '/install/banhub.conf']) {
      const { headers } = await hub.request(admin, path);
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'/, path);
      assert.match(headers.get('strict-transport-security') ?? '', /max-age=\d{7,}/, path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
      assert.equal(headers.get('x-frame-options'), 'SAMEORIGIN', path);
      assert.equal(headers.get('referrer-policy'), 'no-referrer', path);
      assert.equal(headers.get('x-powered-by'), null, path);
    }
  });

  it('is open to all where it is only whether it lives', async () => {
    const [health, ready] = [await hub.request('', '/healthz'), await hub.request('', '/readyz')];
    assert.deepEqual([health.status, health.body], [200, { status: 'ok' }]);
    assert.deepEqual([ready.status, ready.body], [200, { status: 'ready' }]);
  });
});
