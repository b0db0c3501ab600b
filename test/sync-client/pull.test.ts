// Pull, against a hub that misbehaves in every way: a named refusal and one clear line, never half a list.
import assert from 'node:assert/strict';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Hub, Refusal } from '../../sync-client/hub-request.ts';
import { pullChanges, pullList } from '../../sync-client/pull.ts';
import { createFakeHub, FAKE_TOKEN, type FakeHub, listHeaders, type Misbehaviour } from '../support/fake-hub.ts';

const LIST = ['198.18.0.1', '198.18.0.2', '198.19.0.0/24', '2001:2::1', '2001:2:0:8::/64'];
const TEXT = LIST.map((entry) => `${entry}\n`).join('');

/** A 200 with all the right headers for this body, but for what is changed. */
function answering(text: string | Buffer, changed: Record<string, string | undefined> = {}): Misbehaviour {
  return (_, response) => {
    const body = Buffer.from(text);
    const count = body.toString().split('\n').length - 1;
    const headers: Record<string, string | undefined> = { ...listHeaders(body, { revision: 3, count }), ...changed };
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
    response.end(body);
  };
}

const notOk =
  (status: number, headers: Record<string, string> = {}): Misbehaviour =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end('out of order');
  };

interface Trouble {
  title: string;
  how: Misbehaviour;
  refusal: Refusal;
  detail: RegExp;
}

const TROUBLES: Trouble[] = [
  { title: 'it answers 500', how: notOk(500), refusal: 'status', detail: /answered 500/ },
  {
    title: 'it answers 503 with the right headers',
    how: (_, response) => {
      response.writeHead(503, listHeaders(Buffer.from(TEXT), { revision: 3, count: LIST.length })).end(TEXT);
    },
    refusal: 'status',
    detail: /answered 503/,
  },
  {
    title: 'it answers 401',
    how: notOk(401),
    refusal: 'status',
    detail: /401: it does not know the token \(BANHUB_TOKEN\)/,
  },
  { title: 'it answers 403', how: notOk(403), refusal: 'status', detail: /403: the token may not pull/ },
  { title: 'it answers 404', how: notOk(404), refusal: 'status', detail: /404: is BANHUB_URL right/ },
  {
    title: 'it points elsewhere',
    how: notOk(301, { location: 'https://x/' }),
    refusal: 'status',
    detail: /points to "https:\/\/x\/": set BANHUB_URL/,
  },
  { title: 'it answers 304 to what had no ETag', how: notOk(304), refusal: 'status', detail: /answered 304/ },
  { title: 'it answers 204', how: notOk(204), refusal: 'status', detail: /answered 204/ },
  {
    title: 'it sends a page of HTML',
    how: answering('<html>Sign in</html>\n', { 'content-type': 'text/html' }),
    refusal: 'content-type',
    detail: /"text\/html", not text\/plain: is that the hub/,
  },
  {
    title: 'it sends no type at all',
    how: answering(TEXT, { 'content-type': undefined }),
    refusal: 'content-type',
    detail: /of no type/,
  },
  {
    title: 'it sends HTML as plain text',
    how: answering('<html>Sign in</html>\n'),
    refusal: 'entry',
    detail: /line 1 is no address in canonical form: "<html>/,
  },
  {
    title: 'it sends an empty 200 without our headers',
    how: (_, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(),
    refusal: 'headers',
    detail: /no valid banhub-revision header: is that the hub/,
  },
  {
    title: 'the revision is missing',
    how: answering(TEXT, { 'banhub-revision': undefined }),
    refusal: 'headers',
    detail: /banhub-revision/,
  },
  {
    title: 'the revision is no number',
    how: answering(TEXT, { 'banhub-revision': 'seven' }),
    refusal: 'headers',
    detail: /banhub-revision/,
  },
  {
    title: 'the count is missing',
    how: answering(TEXT, { 'banhub-count': undefined }),
    refusal: 'headers',
    detail: /banhub-count/,
  },
  {
    title: 'the digest is missing',
    how: answering(TEXT, { 'repr-digest': undefined }),
    refusal: 'headers',
    detail: /repr-digest/,
  },
  {
    title: 'the digest is wrong',
    how: answering(TEXT, { 'repr-digest': `sha-256=:${'A'.repeat(43)}=:` }),
    refusal: 'digest',
    detail: /does not match its Repr-Digest/,
  },
  {
    title: 'the digest is of another kind',
    how: answering(TEXT, { 'repr-digest': 'md5=:AAAA:' }),
    refusal: 'digest',
    detail: /Repr-Digest/,
  },
  {
    title: 'the count is too large',
    how: answering(TEXT, { 'banhub-count': '6' }),
    refusal: 'count',
    detail: /5 entries where banhub-count says 6/,
  },
  {
    title: 'the count is too small',
    how: answering(TEXT, { 'banhub-count': '0' }),
    refusal: 'count',
    detail: /5 entries where banhub-count says 0/,
  },
  {
    title: 'the list is empty where the count says it is not',
    how: answering('', { 'banhub-count': '5' }),
    refusal: 'count',
    detail: /0 entries/,
  },
  {
    title: 'half a body comes, then the end',
    how: (_, response) => {
      const body = Buffer.from(TEXT);
      response.writeHead(200, {
        ...listHeaders(body, { revision: 3, count: LIST.length }),
        'content-length': body.length,
      });
      response.write(body.subarray(0, 30), () => response.destroy());
    },
    refusal: 'truncated',
    detail: /closed the connection after 30 bytes, before its answer was complete/,
  },
  {
    title: 'half a chunked body comes, then the end',
    how: (_, response) => {
      response.writeHead(200, listHeaders(Buffer.from(TEXT), { revision: 3, count: LIST.length }));
      response.write(TEXT.slice(0, 30), () => response.destroy());
    },
    refusal: 'truncated',
    detail: /before its answer was complete/,
  },
  {
    title: 'the last line is cut off',
    how: answering(TEXT.slice(0, -5), { 'banhub-count': '5' }),
    refusal: 'entry',
    detail: /line 5 is cut off/,
  },
  {
    title: 'half a list comes as if it were whole',
    how: answering(TEXT.slice(0, 22), { 'banhub-count': '5' }),
    refusal: 'count',
    detail: /2 entries/,
  },
  {
    title: 'gzip is announced and not sent',
    how: answering(TEXT, { 'content-encoding': 'gzip' }),
    refusal: 'encoding',
    detail: /cannot be unpacked/,
  },
  {
    title: 'half a gzip comes',
    how: answering(gzipSync(TEXT).subarray(0, 40), { 'content-encoding': 'gzip', 'banhub-count': '5' }),
    refusal: 'encoding',
    detail: /cannot be unpacked/,
  },
  {
    title: 'another coding comes',
    how: answering(TEXT, { 'content-encoding': 'br' }),
    refusal: 'encoding',
    detail: /"br"/,
  },
  {
    title: 'it sends more than can be a list',
    how: answering('198.18.0.1\n'.repeat(200_000)),
    refusal: 'too-large',
    detail: /more than 1000000 bytes/,
  },
  {
    title: 'a small gzip unpacks to more than can be a list',
    how: answering(gzipSync('198.18.0.1\n'.repeat(200_000)), { 'content-encoding': 'gzip' }),
    refusal: 'encoding',
    detail: /cannot be unpacked/,
  },
  { title: 'it never answers', how: () => undefined, refusal: 'timeout', detail: /did not answer within 0.3 s/ },
  {
    title: 'it begins and never ends',
    how: (_, response) => {
      response.writeHead(200, listHeaders(Buffer.from(TEXT), { revision: 3, count: LIST.length }));
      response.write(TEXT);
    },
    refusal: 'timeout',
    detail: /did not answer within 0.3 s/,
  },
  {
    title: 'it closes without a word',
    how: (request) => void request.socket.destroy(),
    refusal: 'unreachable',
    detail: /cannot be reached/,
  },
];

/** What must never get as far as a command. */
const BAD_LINES = [
  'hub.example.net',
  'localhost',
  '198.18.0.1; reboot',
  '$(reboot)',
  '`reboot`',
  '198.18.0.1 } ; flush ruleset ; add element inet x y { 198.18.0.1',
  '-flush',
  '',
  ' 198.18.0.1',
  '198.18.0.1 ',
  '198.18.0.1\r',
  '198.18.0.1\t',
  '198.18.0.1/32',
  '198.18.0.1/24',
  '198.18.0.0/24/24',
  '198.18.0.01',
  '0306.022.0.1',
  '198.18.1',
  '3323068417',
  '198.18.0.256',
  '198.18.0.1-198.18.0.9',
  'default',
  'all',
  '*',
  '2001:2::0001',
  '2001:2:0:0:0:0:0:1',
  '2001:2::A',
  '2001:2::1/128',
  '2001:2::1%eth0',
  '::ffff:198.18.0.1',
  '[2001:2::1]',
  '# a comment',
  '１９８.18.0.1',
  '198.18.0.1\u0000',
];

describe('pull', () => {
  let fake: FakeHub;
  let hub: Hub;
  beforeEach(async () => {
    fake = await createFakeHub();
    fake.publish(LIST);
    hub = {
      url: new URL(fake.url),
      token: FAKE_TOKEN,
      caFile: '',
      connectTimeLimit: 2000,
      timeLimit: 300,
      mostBytes: 1_000_000,
    };
  });
  afterEach(() => fake.close());

  it('takes a whole list, packed as sent, with its revision', async () => {
    const answer = await pullList(hub, '');
    assert.ok(answer.kind === 'list');
    assert.deepEqual(
      answer.list.all().map(({ text }) => text),
      LIST,
    );
    assert.equal(answer.revision, fake.revision);
    assert.equal(answer.etag, `"r${fake.revision}"`);
    assert.equal(fake.requests[0]?.headers['accept-encoding'], 'gzip');
  });

  it('takes an empty list for what it is', async () => {
    fake.publish([]);
    const answer = await pullList(hub, '');
    assert.ok(answer.kind === 'list');
    assert.equal(answer.list.size, 0);
  });

  it('hears that nothing changed', async () => {
    assert.equal((await pullList(hub, `"r${fake.revision}"`)).kind, 'unchanged');
    fake.add('198.18.0.3');
    assert.equal((await pullList(hub, `"r${fake.revision - 1}"`)).kind, 'list');
  });

  it('finds a hub below a path', async () => {
    assert.match(JSON.stringify(await pullList({ ...hub, url: new URL(`${fake.url}/banhub/`) }, '')), /404/);
    assert.equal(fake.requests[0]?.path, '/banhub/blocklist.txt');
  });

  it('takes what changed', async () => {
    const since = fake.revision;
    fake.publish([...LIST.slice(1), '198.18.0.9']);
    const answer = await pullChanges(hub, since);
    assert.ok(answer.kind === 'changes');
    assert.deepEqual(
      answer.add.map(({ text }) => text),
      ['198.18.0.9'],
    );
    assert.deepEqual(
      answer.remove.map(({ text }) => text),
      ['198.18.0.1'],
    );
    assert.deepEqual([answer.since, answer.revision, answer.count], [since, since + 1, 5]);
  });

  it('is told to begin anew', async () => {
    assert.deepEqual(await pullChanges(hub, 99), { kind: 'reset' });
  });

  it('refuses a hub that is down', async () => {
    await fake.stop();
    const answer = await pullList(hub, '');
    assert.ok(answer.kind === 'refused');
    assert.equal(answer.refusal, 'unreachable');
    assert.match(answer.detail, /cannot be reached: connect ECONNREFUSED/);
    await fake.listen();
  });

  it('refuses what is no HTTP', async () => {
    const server: Server = createTcpServer((socket) => void socket.end('220 mail.example.net ESMTP\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const answer = await pullList({ ...hub, url }, '');
    server.close();
    assert.ok(answer.kind === 'refused');
    assert.equal(answer.refusal, 'unreachable');
  });

  for (const { title, how, refusal, detail } of TROUBLES) {
    it(`refuses the answer when ${title}`, async () => {
      fake.misbehave(how);
      const answer = await pullList(hub, '');
      assert.ok(answer.kind === 'refused', `taken: ${answer.kind}`);
      assert.equal(answer.refusal, refusal);
      assert.match(answer.detail, detail);
      assert.doesNotMatch(answer.detail, /\n/);
      assert.ok(!answer.detail.includes(FAKE_TOKEN));
    });
  }

  for (const line of BAD_LINES) {
    it(`refuses a list with the line ${JSON.stringify(line)}`, async () => {
      fake.misbehave(answering(`198.18.0.0\n${line}\n198.18.0.9\n`));
      const answer = await pullList(hub, '');
      assert.ok(answer.kind === 'refused', `taken: ${answer.kind}`);
      assert.equal(answer.refusal, 'entry');
      assert.match(answer.detail, /line 2 is no address in canonical form/);
    });

    it(`refuses changes with the entry ${JSON.stringify(line)}`, async () => {
      for (const part of ['add', 'remove', 'lifted']) {
        const body = JSON.stringify({ revision: 2, since: 1, add: [], remove: [], lifted: [], [part]: [line] });
        fake.misbehave(answering(body, { 'content-type': 'application/json', 'banhub-count': '5' }));
        const answer = await pullChanges(hub, 1);
        assert.ok(answer.kind === 'refused', `taken: ${answer.kind}`);
        assert.equal(answer.refusal, 'entry');
      }
    });
  }

  it('refuses a list with an entry twice, sorted or not', async () => {
    for (const text of ['198.18.0.1\n198.18.0.1\n', '198.18.0.1\n198.18.0.2\n198.18.0.1\n']) {
      fake.misbehave(answering(text));
      const answer = await pullList(hub, '');
      assert.ok(answer.kind === 'refused');
      assert.match(answer.detail, /198\.18\.0\.1 is there twice/);
    }
  });

  const BAD_CHANGES: [string, unknown][] = [
    ['no JSON', 'not { json'],
    ['a list', []],
    ['null', 'null'],
    ['no revision', { since: 1, add: [], remove: [] }],
    ['an older revision', { revision: 0, since: 1, add: [], remove: [] }],
    ['another since', { revision: 2, since: 0, add: [], remove: [] }],
    ['add that is no list', { revision: 2, since: 1, add: '198.18.0.1', remove: [] }],
    ['no remove', { revision: 2, since: 1, add: [] }],
    ['a number among the addresses', { revision: 2, since: 1, add: [3323068417], remove: [] }],
    ['an object among the addresses', { revision: 2, since: 1, add: [{ ip: '198.18.0.1' }], remove: [] }],
  ];
  for (const [title, body] of BAD_CHANGES) {
    it(`refuses changes that are ${title}`, async () => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      fake.misbehave(answering(text, { 'content-type': 'application/json', 'banhub-count': '5' }));
      assert.equal((await pullChanges(hub, 1)).kind, 'refused');
    });
  }
});
