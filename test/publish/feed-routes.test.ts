// What consumers of the list see: its forms, its headers, when it is new to them, and how it changes.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { addressOf } from '../../server/core/address.ts';
import type { ChangeKind, Commit, Position } from '../../server/core/words.ts';
import { Blocklist } from '../../server/publish/blocklist.ts';
import { FeedCache } from '../../server/publish/feed-cache.ts';
import { newSqlite, onBothEngines } from '../support/engines.ts';
import { TestClock, TestHub } from '../support/hub.ts';

interface Problem {
  code: string;
  field: string;
  detail: string;
}

interface Changes {
  revision: number;
  since: number;
  add: string[];
  remove: string[];
  lifted: string[];
  reset?: true;
}

interface RawAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A request that adds no header of its own, and leaves the body as it was sent. */
async function get(hub: TestHub, token: string, path: string, headers = {}, method = 'GET'): Promise<RawAnswer> {
  const request = httpRequest(`${hub.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

const linesOf = (body: Buffer) => body.toString().split('\n').slice(0, -1);
const digestOf = (body: Buffer) => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

onBothEngines('Which bans a feed has', (newDatabase) => {
  let hub: TestHub;
  let clock: TestClock;
  let [alpha, beta, gamma] = ['', '', ''];

  before(async () => {
    clock = new TestClock();
    hub = await TestHub.start({ database: await newDatabase(), clock: clock.read });
    [alpha, beta, gamma] = [await hub.addHost('alpha'), await hub.addHost('beta'), await hub.addHost('gamma')];
    for (const [tokens, ip, jail] of [
      [[alpha], '198.18.0.4', 'sshd'],
      [[alpha, beta], '198.18.0.5', 'sshd'],
      [[alpha], '198.18.0.6', 'opensips'],
      [[beta], '198.18.0.7', 'opensips'],
      [[alpha, beta, gamma], '198.18.0.9', 'sshd'],
      [[beta], '198.18.8.0/24', 'sshd'],
      [[beta], '198.18.9.0/24', 'sshd'],
      [[gamma], '198.18.9.9', 'sshd'],
      [[gamma], '2001:2::4', 'sshd'],
      [[alpha, gamma], '2001:2::5', 'opensips'],
      [[gamma], '2001:2:8::/48', 'sshd'],
    ] as const) {
      for (const token of tokens) await hub.ban(token, ip, { jail, bantime: -1 });
      clock.pass(1);
    }
  });
  after(() => hub.close());

  const V4 = [
    '198.18.0.4',
    '198.18.0.5',
    '198.18.0.6',
    '198.18.0.7',
    '198.18.0.9',
    '198.18.8.0/24',
    '198.18.9.0/24',
    '198.18.9.9',
  ];
  const V6 = ['2001:2::4', '2001:2::5', '2001:2:8::/48'];

  it('has all of them, one a line, each line ended', async () => {
    const { body, headers } = await get(hub, alpha, '/blocklist.txt');
    assert.equal(body.toString(), `${[...V4, ...V6].join('\n')}\n`);
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(headers['banhub-count'], '11');
    assert.equal(headers['banhub-revision'], '11');
  });

  it('family=4 and family=6 are the two halves', async () => {
    assert.deepEqual(await hub.list(alpha, '?family=4'), V4);
    assert.deepEqual(await hub.list(alpha, '?family=6'), V6);
    assert.equal((await get(hub, alpha, '/blocklist.txt?family=6')).headers['banhub-count'], '3');
  });

  it('aggregate=1 joins neighbours and drops what a network holds', async () => {
    const joined = ['198.18.0.4/30', '198.18.0.9', '198.18.8.0/23', '2001:2::4/127', '2001:2:8::/48'];
    assert.deepEqual(await hub.list(alpha, '?aggregate=1'), joined);
    assert.deepEqual(await hub.list(alpha, '?aggregate=0'), [...V4, ...V6]);
    assert.deepEqual(await hub.list(alpha, '?aggregate=1&family=6'), joined.slice(3));
    assert.equal((await get(hub, alpha, '/blocklist.txt?aggregate=1')).headers['banhub-count'], '5');
  });

  it('jail keeps what a standing claim of that jail holds', async () => {
    assert.deepEqual(await hub.list(alpha, '?jail=opensips'), ['198.18.0.6', '198.18.0.7', '2001:2::5']);
    assert.deepEqual(await hub.list(alpha, '?jail=opensips&family=4&aggregate=1'), ['198.18.0.6/31']);
    assert.deepEqual(await hub.list(alpha, '?jail=nosuch'), []);
    assert.deepEqual(await hub.list(alpha, '?jail=OpenSIPS'), []);
  });

  it('limit keeps what most hosts claim, then the newest, in the order of lists', async () => {
    assert.deepEqual(await hub.list(alpha, '?limit=1'), ['198.18.0.9']);
    assert.deepEqual(await hub.list(alpha, '?limit=3'), ['198.18.0.5', '198.18.0.9', '2001:2::5']);
    assert.deepEqual(await hub.list(alpha, '?limit=5'), [
      '198.18.0.5',
      '198.18.0.9',
      '2001:2::4',
      '2001:2::5',
      '2001:2:8::/48',
    ]);
    assert.deepEqual(await hub.list(alpha, '?limit=2&family=4&jail=opensips'), ['198.18.0.6', '198.18.0.7']);
    assert.deepEqual(await hub.list(alpha, '?limit=999'), [...V4, ...V6]);
  });

  it('part after part is the whole, and nothing twice', async () => {
    for (const limit of [1, 2, 4, 5, 11, 12]) {
      const parts: string[][] = [];
      for (let part = 1; parts.at(-1)?.length !== 0; part++) {
        parts.push(await hub.list(alpha, `?limit=${limit}&part=${part}`));
      }
      assert.ok(parts.slice(0, -2).every((part) => part.length === limit));
      assert.deepEqual(parts.flat().sort(), [...V4, ...V6].sort());
    }
    assert.deepEqual(await hub.list(alpha, '?limit=3&part=1'), await hub.list(alpha, '?limit=3'));
  });

  it('is wrong to ask for in another way, and the answer names the parameter', async () => {
    for (const [query, field] of [
      ['family=5', 'family'],
      ['family=', 'family'],
      ['family=ipv4', 'family'],
      ['family=4&family=6', 'family'],
      ['aggregate=yes', 'aggregate'],
      ['aggregate=2', 'aggregate'],
      ['limit=0', 'limit'],
      ['limit=-1', 'limit'],
      ['limit=1.5', 'limit'],
      ['limit=1e3', 'limit'],
      ['limit=', 'limit'],
      ['limit=all', 'limit'],
      ['limit=9999999999999999', 'limit'],
      ['limit=5&part=0', 'part'],
      ['limit=5&part=x', 'part'],
      ['part=1', 'part'],
      ['jail=', 'jail'],
      [`jail=${'j'.repeat(65)}`, 'jail'],
      ['jail=a&jail=b', 'jail'],
      ['familiy=4', 'familiy'],
      ['FAMILY=4', 'FAMILY'],
      ['__proto__=1', '__proto__'],
      ['constructor=1', 'constructor'],
      ['format=json', 'format'],
    ] as const) {
      const answer = await hub.request<Problem>(alpha, `/blocklist.txt?${query}`);
      assert.deepEqual([answer.status, answer.body.code, answer.body.field], [400, 'invalid', field], query);
      assert.ok(answer.body.detail.startsWith(`${field}: `), answer.body.detail);
    }
  });
});

describe('The list over HTTP', () => {
  let hub: TestHub;
  let clock: TestClock;
  let [alpha, beta] = ['', ''];

  beforeEach(async () => {
    clock = new TestClock();
    hub = await TestHub.start({ database: newSqlite(), clock: clock.read });
    [alpha, beta] = [await hub.addHost('alpha'), await hub.addHost('beta')];
  });
  afterEach(() => hub.close());

  it('is 200 and empty when nothing is banned, with all its headers', async () => {
    const { status, headers, body } = await get(hub, alpha, '/blocklist.txt');
    assert.deepEqual([status, body.length, headers['content-length']], [200, 0, '0']);
    assert.deepEqual([headers['banhub-revision'], headers['banhub-count']], ['0', '0']);
    assert.equal(headers['repr-digest'], digestOf(Buffer.alloc(0)));
    assert.ok(headers.etag && headers['last-modified']);
  });

  it('carries the digest of the bytes as sent, plain or gzip, and a tag for each', async () => {
    for (let i = 0; i < 200; i++) await hub.ban(alpha, `198.18.1.${i}`);
    const plain = await get(hub, alpha, '/blocklist.txt');
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(plain.headers['repr-digest'], digestOf(plain.body));
    assert.equal(plain.headers['content-length'], String(plain.body.length));
    for (const accept of ['gzip', 'gzip, deflate, br', 'br, gzip;q=0.5', '*']) {
      const packed = await get(hub, alpha, '/blocklist.txt', { 'accept-encoding': accept });
      assert.equal(packed.headers['content-encoding'], 'gzip', accept);
      assert.equal(packed.headers['repr-digest'], digestOf(packed.body));
      assert.equal(packed.headers['content-length'], String(packed.body.length));
      assert.ok(packed.body.length < plain.body.length / 2);
      assert.deepEqual(gunzipSync(packed.body), plain.body);
      assert.notEqual(packed.headers.etag, plain.headers.etag);
      assert.match(packed.headers.vary ?? '', /accept-encoding/i);
      assert.equal(packed.headers['banhub-count'], '200');
    }
    for (const accept of ['identity', 'gzip;q=0', 'br', 'deflate']) {
      const answer = await get(hub, alpha, '/blocklist.txt', { 'accept-encoding': accept });
      assert.equal(answer.headers['content-encoding'], undefined, accept);
      assert.deepEqual(answer.body, plain.body);
    }
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    await hub.ban(alpha, '198.18.0.7');
    for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
      const [head, whole] = [
        await get(hub, alpha, '/blocklist.txt?family=4', headers, 'HEAD'),
        await get(hub, alpha, '/blocklist.txt?family=4', headers),
      ];
      const comparable = ({ date: _, ...rest }: IncomingMessage['headers']) => rest;
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      assert.deepEqual(comparable(head.headers), comparable(whole.headers));
    }
  });

  it('is 304 to whoever has it, in every way that If-None-Match may say so', async () => {
    await hub.ban(alpha, '198.18.0.7');
    const { headers } = await get(hub, alpha, '/blocklist.txt');
    const { headers: packed } = await get(hub, alpha, '/blocklist.txt', { 'accept-encoding': 'gzip' });
    for (const match of [
      headers.etag,
      `W/${headers.etag}`,
      `"other", ${headers.etag}`,
      `"other",W/${headers.etag} , "another"`,
      '*',
      ' * ',
    ]) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await get(hub, alpha, '/blocklist.txt', { 'if-none-match': match }, method);
        assert.deepEqual([answer.status, answer.body.length], [304, 0], match);
        assert.equal(answer.headers.etag, headers.etag);
        assert.equal(answer.headers['banhub-revision'], '1');
      }
    }
    for (const match of [headers.etag, packed.etag, `W/${packed.etag}`]) {
      const conditional = { 'if-none-match': match, 'accept-encoding': 'gzip' };
      const answer = await get(hub, alpha, '/blocklist.txt', conditional);
      assert.deepEqual([answer.status, answer.headers.etag], [304, packed.etag]);
    }
    for (const match of ['"other"', '"other", "another"', '""', headers.etag?.slice(1, -1), 'W/', '']) {
      const answer = await get(hub, alpha, '/blocklist.txt', { 'if-none-match': match });
      assert.deepEqual([answer.status, answer.body.toString()], [200, '198.18.0.7\n'], match);
    }
  });

  it('is 200 again once it has changed, and 304 again once it has changed back', async () => {
    await hub.ban(alpha, '198.18.0.7');
    const { headers } = await get(hub, alpha, '/blocklist.txt');
    await hub.ban(alpha, '198.18.0.8');
    assert.equal((await get(hub, alpha, '/blocklist.txt', { 'if-none-match': headers.etag })).status, 200);
    await hub.unban(alpha, '198.18.0.8');
    const back = await get(hub, alpha, '/blocklist.txt', { 'if-none-match': headers.etag });
    assert.deepEqual([back.status, back.headers['banhub-revision']], [304, '3']);
  });

  it("is 304 to Node's fetch, which always says Cache-Control: no-cache", async () => {
    await hub.ban(alpha, '198.18.0.7');
    const first = await hub.request(alpha, '/blocklist.txt');
    assert.equal(first.text, '198.18.0.7\n');
    const again = await hub.request(alpha, '/blocklist.txt', {
      headers: { 'if-none-match': first.headers.get('etag') ?? '', 'cache-control': 'no-cache' },
    });
    assert.deepEqual([again.status, again.text], [304, '']);
  });

  it('heeds If-None-Match alone when both are sent', async () => {
    await hub.ban(alpha, '198.18.0.7');
    clock.pass(10);
    const { headers } = await get(hub, alpha, '/blocklist.txt');
    const both = { 'if-none-match': '"other"', 'if-modified-since': headers['last-modified'] };
    assert.equal((await get(hub, alpha, '/blocklist.txt', both)).status, 200);
  });

  it('is 304 to If-Modified-Since with the date that it gave, or a later one', async () => {
    await hub.ban(alpha, '198.18.0.7');
    const changed = new Date(clock.now).toUTCString();
    clock.pass(10);
    const { headers } = await get(hub, alpha, '/blocklist.txt');
    assert.equal(headers['last-modified'], changed);
    const ask = async (date: string) => (await get(hub, alpha, '/blocklist.txt', { 'if-modified-since': date })).status;
    assert.equal(await ask(changed), 304);
    assert.equal(await ask(new Date(clock.now).toUTCString()), 304);
    assert.equal(await ask(new Date(Date.parse(changed) - 1_000).toUTCString()), 200);
    assert.equal(await ask('yesterday'), 200);
    assert.equal(await ask(''), 200);
  });

  it('is never 304 to a date when it has changed since, though it changed twice within one second', async () => {
    clock.pass(0.1);
    await hub.ban(alpha, '198.18.0.1');
    clock.pass(0.1);
    const first = await get(hub, alpha, '/blocklist.txt');
    clock.pass(0.3);
    await hub.ban(alpha, '198.18.0.2');
    clock.pass(0.1);
    const ask = (date: string | undefined) => get(hub, alpha, '/blocklist.txt', { 'if-modified-since': date });
    const second = await ask(first.headers['last-modified']);
    assert.deepEqual([second.status, linesOf(second.body)], [200, ['198.18.0.1', '198.18.0.2']]);
    clock.pass(1);
    const third = await ask(second.headers['last-modified']);
    assert.equal(third.status, 200);
    assert.equal((await ask(third.headers['last-modified'])).status, 304);
  });

  it('is never 304 to a date when who claims what has changed a feed that shows only some', async () => {
    await hub.ban(alpha, '198.18.0.1', { jail: 'sshd' });
    await hub.ban(alpha, '198.18.0.2', { jail: 'sshd' });
    clock.pass(10);
    const [jail, limit] = ['/blocklist.txt?jail=opensips', '/blocklist.txt?limit=1'];
    const date = new Date(clock.now).toUTCString();
    const before = await Promise.all([get(hub, alpha, jail), get(hub, alpha, limit)]);
    assert.deepEqual(
      before.map(({ body }) => linesOf(body)),
      [[], ['198.18.0.1']],
    );
    clock.pass(10);
    assert.equal((await hub.ban(beta, '198.18.0.2', { jail: 'opensips' })).outcome, 'claimed');
    clock.pass(10);
    for (const [path, { headers }] of [
      [jail, before[0]],
      [limit, before[1]],
    ] as const) {
      for (const condition of [
        { 'if-modified-since': headers['last-modified'] ?? date },
        { 'if-none-match': headers.etag },
      ]) {
        const answer = await get(hub, alpha, path, condition);
        assert.deepEqual([answer.status, linesOf(answer.body)], [200, ['198.18.0.2']], path);
      }
    }
  });

  it('is sent whole and as it was, however slowly it is read while it changes', async () => {
    const reports = (action: string, block: number) =>
      Array.from({ length: 1_000 }, (_, i) => ({ action, ip: `198.18.${block + (i >> 8)}.${i & 255}`, jail: 'sshd' }));
    for (let block = 0; block < 160; block += 4) {
      await hub.sendJson(alpha, 'POST', '/api/v1/reports', reports('ban', block));
    }
    const expected = await get(hub, alpha, '/blocklist.txt');
    assert.equal(expected.headers['banhub-count'], '40000');

    const { port, hostname } = new URL(hub.url);
    const socket = connect({ port: Number(port), host: hostname });
    socket.write(
      `GET /blocklist.txt HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alpha}\r\nConnection: close\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    const [first] = (await once(socket, 'data')) as [Buffer];
    chunks.push(first);
    socket.pause();
    for (let block = 0; block < 160; block += 8) {
      await hub.sendJson(alpha, 'POST', '/api/v1/reports', reports('unban', block));
    }
    assert.equal((await get(hub, beta, '/blocklist.txt')).headers['banhub-count'], '20000');
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.resume();
    await once(socket, 'end');
    const answer = Buffer.concat(chunks);
    const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
    assert.ok(body.equals(expected.body));
    assert.match(answer.toString('latin1', 0, 2_000), /banhub-count: 40000/i);
  });
});

describe('A feed is rendered once', () => {
  const ALL = { aggregate: false, part: 1 };
  const TOP = { aggregate: false, part: 1, limit: 1 };
  const ban = {
    published: true,
    publishedAt: 0,
    endsAt: null,
    hosts: 1,
    jails: ['sshd'],
    lastBannedAt: 0,
    liftedAt: null,
    dueAt: null,
  };
  const start: Position = {
    revision: 0,
    logPosition: 0,
    changedAt: 0,
    changesFloor: 0,
    hostsVersion: 0,
    allowlistVersion: 0,
  };

  function commit(blocklist: Blocklist, kind?: ChangeKind, text = '198.18.0.7'): void {
    const { position } = blocklist;
    const revision = position.revision + (kind === undefined || kind === 'update' ? 0 : 1);
    const next: Commit = {
      position: { ...position, revision, logPosition: position.logPosition + 1 },
      changes: kind ? [{ kind, revision, address: addressOf(text), ban: kind === 'remove' ? undefined : ban }] : [],
    };
    blocklist.apply(next);
  }

  it('for each revision, plain and gzip, whoever asks', async () => {
    const blocklist = new Blocklist();
    blocklist.load([], { position: start, changes: [] });
    const feeds = new FeedCache(blocklist);
    commit(blocklist, 'add');
    const feed = feeds.get(ALL);
    assert.equal(feed.plain.body.toString(), '198.18.0.7\n');
    const packed = await feed.gzipped();
    assert.equal(feeds.get({ part: 1, aggregate: false, family: undefined }), feed);
    assert.equal(await feeds.get(ALL).gzipped(), packed);

    commit(blocklist);
    commit(blocklist, 'update');
    assert.equal(feeds.get(ALL), feed);

    commit(blocklist, 'add', '198.18.0.8');
    assert.notEqual(feeds.get(ALL), feed);
    assert.equal(feed.plain.body.toString(), '198.18.0.7\n');
    assert.equal(feeds.get(ALL).plain.body.toString(), '198.18.0.7\n198.18.0.8\n');
  });

  it('and once for each filter, of which those not asked for go', () => {
    const blocklist = new Blocklist();
    blocklist.load([], { position: start, changes: [] });
    const feeds = new FeedCache(blocklist);
    commit(blocklist, 'add');
    const [four, six] = [feeds.get({ ...ALL, family: 4 }), feeds.get({ ...ALL, family: 6 })];
    assert.deepEqual([four.count, six.count], [1, 0]);
    assert.equal(feeds.get({ ...ALL, family: 4 }), four);
    for (let limit = 1; limit <= 100; limit++) feeds.get({ ...ALL, limit });
    assert.notEqual(feeds.get({ ...ALL, family: 4 }), four);
    assert.deepEqual(feeds.get({ ...ALL, family: 4 }).plain, four.plain);
  });

  it('but again when a filter shows what has changed', () => {
    const blocklist = new Blocklist();
    blocklist.load([], { position: start, changes: [] });
    const feeds = new FeedCache(blocklist);
    commit(blocklist, 'add');
    const top = feeds.get(TOP);
    assert.equal(feeds.get(TOP), top);
    commit(blocklist, 'update');
    assert.notEqual(feeds.get(TOP), top);
  });
});

onBothEngines('What has changed since', (newDatabase) => {
  let hub: TestHub;
  let clock: TestClock;
  let database: string;
  let [alpha, beta, admin] = ['', '', ''];

  beforeEach(async () => {
    clock = new TestClock();
    database = await newDatabase();
    hub = await TestHub.start({ database, clock: clock.read });
    [alpha, beta, admin] = [await hub.addHost('alpha'), await hub.addHost('beta'), await hub.addHost('desk', 'admin')];
  });
  afterEach(() => hub.close());

  const changes = async (since: number) =>
    (await hub.request<Changes>(alpha, `/api/v1/blocklist/changes?since=${since}`)).body;

  it('is the whole list since 0, and nothing since now', async () => {
    assert.deepEqual(await changes(0), { revision: 0, since: 0, add: [], remove: [], lifted: [] });
    await hub.ban(alpha, '198.18.0.7');
    await hub.ban(alpha, '2001:2::7');
    await hub.ban(alpha, '198.18.0.9');
    await hub.unban(alpha, '198.18.0.9');
    assert.deepEqual(await changes(0), {
      revision: 4,
      since: 0,
      add: ['198.18.0.7', '2001:2::7'],
      remove: [],
      lifted: [],
    });
    assert.deepEqual(await changes(4), { revision: 4, since: 4, add: [], remove: [], lifted: [] });
    assert.deepEqual(await changes(3), { revision: 4, since: 3, add: [], remove: ['198.18.0.9'], lifted: [] });
  });

  it('is a reset for a revision that is yet to come, as after a restored backup', async () => {
    await hub.ban(alpha, '198.18.0.7');
    assert.deepEqual(await changes(2), { revision: 1, reset: true });
    assert.deepEqual(await changes(999_999_999), { revision: 1, reset: true });
  });

  it('is a reset for a revision whose changes are forgotten, and not for the next', async () => {
    for (let i = 1; i <= 10; i++) await hub.ban(alpha, `198.18.0.${i}`);
    await hub.store.write((tx) => hub.store.log.prune(tx, 6));
    await hub.close();
    hub = await TestHub.start({ database, clock: clock.read });
    for (const since of [0, 1, 5]) assert.deepEqual(await changes(since), { revision: 10, reset: true });
    assert.deepEqual((await changes(6)).add, ['198.18.0.7', '198.18.0.8', '198.18.0.9', '198.18.0.10']);
    assert.equal((await hub.list(alpha)).length, 10);
  });

  it('says in its headers what it stands for, and is never kept by a cache', async () => {
    await hub.ban(alpha, '198.18.0.7');
    const { headers } = await hub.request(alpha, '/api/v1/blocklist/changes?since=0');
    assert.deepEqual([headers.get('banhub-revision'), headers.get('banhub-count')], ['1', '1']);
    assert.match(headers.get('cache-control') ?? '', /no-store/);
    assert.equal(headers.get('etag'), null);
  });

  it('is wrong to ask for in another way, and the answer names the parameter', async () => {
    for (const [query, field] of [
      ['', 'since'],
      ['?since=', 'since'],
      ['?since=-1', 'since'],
      ['?since=1.5', 'since'],
      ['?since=1e3', 'since'],
      ['?since=0x10', 'since'],
      ['?since=NaN', 'since'],
      ['?since=9999999999999999', 'since'],
      ['?since=0&since=1', 'since'],
      ['?since=0&wait=56', 'wait'],
      ['?since=0&wait=-1', 'wait'],
      ['?since=0&wait=soon', 'wait'],
      ['?since=0&family=4', 'family'],
    ] as const) {
      const answer = await hub.request<Problem>(alpha, `/api/v1/blocklist/changes${query}`);
      assert.deepEqual([answer.status, answer.body.code, answer.body.field], [400, 'invalid', field], query);
    }
    assert.equal((await hub.request(alpha, '/api/v1/blocklist/changes?since=0&wait=55')).status, 200);
  });

  it('makes of any list that was the list that is: list(N) + changes(N→M) = list(M)', async () => {
    const places = ['198.18.0.1', '198.18.0.2', '198.18.0.0/30', '198.18.0.0/24', '2001:2::1', '2001:2::/64'];
    const step = fc.record({
      what: fc.constantFrom('ban', 'ban', 'ban', 'unban', 'lift', 'allow', 'disallow', 'wait'),
      place: fc.constantFrom(...places),
      host: fc.constantFrom('alpha', 'beta'),
      jail: fc.constantFrom('sshd', 'opensips'),
    });
    const EVERY_KIND = (['ban', 'lift', 'ban', 'unban', 'ban', 'allow', 'lift', 'disallow'] as const).map((what) => {
      return { what, place: '198.18.0.0/30', host: 'alpha', jail: 'sshd' } as const;
    });
    /** What happened in all walks together; each kind must have. */
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (walk) => {
        const known: { revision: number; list: string[] }[] = [];
        for (const { what, place, host, jail } of walk) {
          const token = host === 'alpha' ? alpha : beta;
          clock.pass(1);
          if (what === 'ban') await hub.ban(token, place, { jail, bantime: 5 });
          if (what === 'unban') await hub.unban(token, place, { jail });
          if (what === 'lift') await hub.request(admin, `/api/v1/bans/${place}`, { method: 'DELETE' });
          if (what === 'allow') await hub.sendJson(admin, 'POST', '/api/v1/allowlist', { address: place, duration: 7 });
          if (what === 'disallow') await hub.request(admin, `/api/v1/allowlist/${place}`, { method: 'DELETE' });
          if (what === 'wait') clock.pass(3);
          await hub.app.expire();
          const answer = await hub.request(alpha, '/blocklist.txt');
          const list = linesOf(Buffer.from(answer.text));
          const revision = Number(answer.headers.get('banhub-revision'));
          known.push({ revision, list });
          for (const { revision: since, list: then } of known) {
            const { add, remove, lifted, ...rest } = await changes(since);
            assert.deepEqual(rest, { revision, since });
            const had = new Set(then);
            assert.ok(add.every((text) => !had.has(text)) && remove.every((text) => had.has(text)));
            const now = [...then.filter((text) => !remove.includes(text)), ...add];
            assert.deepEqual(now.sort(), [...list].sort());
            assert.ok(lifted.every((text) => !list.includes(text)));
            for (const [kind, entries] of Object.entries({ add, remove, lifted }))
              if (entries.length > 0) seen.add(kind);
          }
        }
      }),
      { numRuns: 20, endOnFailure: true, examples: [[EVERY_KIND]] },
    );
    assert.deepEqual(seen, new Set(['add', 'remove', 'lifted']));
  });
});
