// Reports that are wrong, in every way we could think of: each is answered with what is wrong, and leaves no trace.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { newSqlite, onBothEngines } from '../support/engines.ts';
import { TestClock, TestHub } from '../support/hub.ts';

interface Sent {
  headers: Record<string, string>;
  body: string | Buffer;
}

interface Malformed {
  what: string;
  sent: Sent;
  field: string;
  status: number;
  /** The JSON value, where the case is one: it is then also sent as an element of an array. */
  element?: unknown;
}

interface Problem {
  code: string;
  status: number;
  detail: string;
  field: string;
  requestId: string;
}

const GOOD = { action: 'ban', ip: '198.18.0.7', jail: 'sshd' };
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

const raw = (type: string, body: string | Buffer, headers = {}): Sent => ({
  headers: { ...(type && { 'content-type': type }), ...headers },
  body,
});

const asForm = (fields: Record<string, string>) => raw(FORM_TYPE, new URLSearchParams(fields).toString());

/** Form fields, each with one thing wrong. */
function forms(field: string, cases: Record<string, string>): Malformed[] {
  return Object.entries(cases).map(([what, value]) => ({
    what: `form, ${field}: ${what}`,
    sent: asForm({ ...GOOD, [field]: value }),
    field,
    status: 400,
  }));
}

/** JSON objects, each with one thing wrong. */
function objects(field: string, cases: Record<string, unknown>): Malformed[] {
  return Object.entries(cases).map(([what, value]) => {
    const element = { ...GOOD, [field]: value };
    return {
      what: `JSON, ${field}: ${what}`,
      sent: raw(JSON_TYPE, JSON.stringify(element)),
      field,
      status: 400,
      element,
    };
  });
}

function bodies(status: number, field: string, cases: Record<string, Sent>): Malformed[] {
  return Object.entries(cases).map(([what, sent]) => ({ what, sent, field, status }));
}

const without = (name: keyof typeof GOOD) => {
  const { [name]: _, ...rest } = GOOD;
  return rest;
};

const NO_TEXT = {
  'a number': 7,
  'an array': ['x'],
  'an empty array': [],
  'an object': { x: 1 },
  true: true,
  null: null,
};

const MALFORMED: Malformed[] = [
  ...forms('ip', {
    empty: '',
    'a word': 'banana',
    'a host name': 'attacker.example.org',
    'an octet over 255': '198.18.0.256',
    'a negative octet': '198.18.0.-7',
    'five octets': '198.18.0.7.9',
    'the short form 1.2.3': '198.18.7',
    'one number': '3323068423',
    hexadecimal: '0xc6120007',
    'a hexadecimal octet': '198.0x12.0.7',
    'octal octets': '0306.022.0.07',
    'a leading zero': '198.018.0.7',
    'an empty octet': '198.18..7',
    'a trailing dot': '198.18.0.7.',
    'a space before': ' 198.18.0.7',
    'a line end behind': '198.18.0.7\n',
    'two addresses': '198.18.0.7 198.18.0.8',
    'a list': '198.18.0.7,198.18.0.8',
    'a range': '198.18.0.7-198.18.0.9',
    'a port': '198.18.0.7:22',
    'a netmask': '198.18.0.0/255.255.255.0',
    'a wildcard mask': '198.18.0.0/0.0.0.255',
    'a prefix over 32': '198.18.0.7/33',
    'a prefix with a leading zero': '198.18.0.0/024',
    'a negative prefix': '198.18.0.0/-1',
    'an empty prefix': '198.18.0.0/',
    'two prefixes': '198.18.0.0/24/24',
    'a prefix alone': '/24',
    'a zone id': 'fe80::1%eth0',
    'a numeric zone id': '2001:2::7%1',
    'two double colons': '2001::2::7',
    'nine groups': '2001:2:0:0:0:0:0:0:7',
    'seven groups': '2001:2:0:0:0:0:7',
    'a group of five digits': '2001:2::12345',
    'a letter that is no digit': '2001:2::g',
    'a prefix over 128': '2001:2::/129',
    brackets: '[2001:2::7]',
    'a URI': 'http://198.18.0.7/',
    'a mapped address with octal octets': '::ffff:198.018.0.7',
    'a mapped address with three octets': '::ffff:198.18.7',
    'an IPv4 tail in the middle': '::198.18.0.7:1',
    'full-width digits': '１９８.18.0.7',
    'Arabic digits': '١٩٨.18.0.7',
    'a full stop of another script': '198。18。0。7',
    'a NUL behind': '198.18.0.7\0',
    'a NUL inside': '198.18\0.0.7',
    'an unexpanded fail2ban tag': '<ip>',
    'a shell substitution': '$(id)',
    'an SQL quote': "198.18.0.7' OR '1'='1",
    'the word NaN': 'NaN',
    'fifty characters': '2001:0002:0000:0000:0000:0000:0000:0000:0000:00007',
    '10,000 characters': '1'.repeat(10_000),
    'an emoji': '🦊',
  }),
  ...objects('ip', { ...NO_TEXT, 'a number that is an address': 3323068423, 'a lone surrogate': '\ud83d' }),

  ...forms('action', {
    empty: '',
    'another word': 'block',
    capitals: 'BAN',
    'a space behind': 'ban ',
    'a line end': 'ban\n',
  }),
  ...objects('action', NO_TEXT),

  ...forms('jail', {
    empty: '',
    'only spaces': '   ',
    '65 characters': 'j'.repeat(65),
    'a megabyte less a little': 'j'.repeat(1_000_000),
    'a line end inside': 'ss\nhd',
    'a header behind': 'sshd\r\nX-Injected: 1',
    'a NUL': 'ss\0hd',
    'an escape sequence': 'sshd\u001b[31m',
    DEL: 'ss\u007fhd',
    'a C1 control character': 'ss\u0085hd',
    'a line separator': 'ss\u2028hd',
    'a replacement character': 'ss\ufffdhd',
  }),
  ...objects('jail', {
    ...NO_TEXT,
    'a lone surrogate': 'ss\ud800hd',
    'a surrogate pair the wrong way round': '\udc00\ud800',
  }),

  ...forms('failures', {
    'a word': 'many',
    negative: '-1',
    'a fraction': '1.5',
    hexadecimal: '0x10',
    'an exponent': '1e3',
    NaN: 'NaN',
    Infinity: 'Infinity',
    'more than 32 bits': '2147483648',
    '400 digits': '9'.repeat(400),
    'an unexpanded fail2ban tag': '<failures>',
  }),
  ...objects('failures', { 'an array': [3], 'an object': {}, true: true, negative: -1, 'a fraction': 1.5 }),

  ...forms('bantime', {
    'a word': 'forever',
    'a unit': '10m',
    negative: '-2',
    'a negative fraction': '-0.5',
    NaN: 'NaN',
    Infinity: 'Infinity',
    '400 digits': '9'.repeat(400),
    'a comma': '1,5',
  }),
  ...objects('bantime', { 'an array': [600], 'an object': {}, false: false, negative: -2 }),

  ...forms('time', {
    'a date': '2026-01-01T00:00:00Z',
    negative: '-1',
    NaN: 'NaN',
    '-Infinity': '-Infinity',
    'a tag': '<time>',
  }),
  ...objects('time', { 'an array': [1], 'an object': {}, true: true, negative: -0.001 }),

  ...forms('restored', { 'a word': 'yes', two: '2', 'the name of a method': 'toString', 'a prototype': '__proto__' }),
  ...objects('restored', { two: 2, 'an array': [1], 'an object': {} }),

  ...objects('matches', {
    'a number': 5,
    true: true,
    'an object': { line: 1 },
    'an array of numbers': [1, 2],
    'nested arrays': [['x']],
  }),

  ...bodies(400, 'ip', {
    'form without ip': asForm(without('ip')),
    'JSON without ip': raw(JSON_TYPE, JSON.stringify(without('ip'))),
    'form with ip twice': raw(FORM_TYPE, 'action=ban&ip=198.18.0.7&ip=198.18.0.8&jail=sshd'),
    'form with a nested ip': raw(FORM_TYPE, 'action=ban&ip[text]=198.18.0.7&jail=sshd'),
    'form with bytes that are not UTF-8 in ip': raw(FORM_TYPE, 'action=ban&ip=198.18.0.%ff&jail=sshd'),
    'form with the name in capitals': raw(FORM_TYPE, 'action=ban&IP=198.18.0.7&jail=sshd'),
  }),
  ...bodies(400, 'jail', {
    'form without jail': asForm(without('jail')),
    'JSON without jail': raw(JSON_TYPE, JSON.stringify(without('jail'))),
    'form with jail twice': raw(FORM_TYPE, 'action=ban&ip=198.18.0.7&jail=sshd&jail=sshd'),
    'form with bytes that are not UTF-8 in jail': raw(FORM_TYPE, 'action=ban&ip=198.18.0.7&jail=ss%c3%28hd'),
    'JSON with bytes that are not UTF-8 in jail': raw(
      JSON_TYPE,
      Buffer.from('{"action":"ban","ip":"198.18.0.7","jail":"ss\xffhd"}', 'latin1'),
    ),
  }),
  ...bodies(400, 'failures', {
    'form with failures twice': raw(FORM_TYPE, 'action=ban&ip=198.18.0.7&jail=sshd&failures=1&failures=2'),
    'JSON with failures beyond all numbers': raw(
      JSON_TYPE,
      '{"action":"ban","ip":"198.18.0.7","jail":"sshd","failures":1e309}',
    ),
  }),
  ...bodies(400, 'bantime', {
    'JSON with a bantime beyond all numbers': raw(
      JSON_TYPE,
      '{"action":"ban","ip":"198.18.0.7","jail":"sshd","bantime":1e309}',
    ),
  }),
  ...bodies(400, 'time', {
    'JSON with a time beyond all numbers': raw(
      JSON_TYPE,
      '{"action":"ban","ip":"198.18.0.7","jail":"sshd","time":1e309}',
    ),
  }),
  ...bodies(400, 'action', {
    'form without action': asForm(without('action')),
    'JSON without action': raw(JSON_TYPE, JSON.stringify(without('action'))),
    'form with action twice': raw(FORM_TYPE, 'action=ban&action=unban&ip=198.18.0.7&jail=sshd'),
    'an empty JSON object': raw(JSON_TYPE, '{}'),
    'a report inside __proto__': raw(JSON_TYPE, `{"__proto__": ${JSON.stringify(GOOD)}}`),
    'a report inside constructor.prototype': raw(JSON_TYPE, `{"constructor": {"prototype": ${JSON.stringify(GOOD)}}}`),
    'a report inside a report': raw(JSON_TYPE, JSON.stringify({ report: GOOD })),
    'JSON in a form': raw(FORM_TYPE, JSON.stringify(GOOD)),
    'an empty form': raw(FORM_TYPE, ''),
    'an empty JSON body': raw(JSON_TYPE, ''),
    'a form of separators': raw(FORM_TYPE, '&&&=&='),
  }),
  ...bodies(400, 'body', {
    'a form sent as JSON': raw(JSON_TYPE, 'action=ban&ip=198.18.0.7&jail=sshd'),
    'truncated JSON': raw(JSON_TYPE, JSON.stringify(GOOD).slice(0, -1)),
    'JSON with something behind it': raw(JSON_TYPE, `${JSON.stringify(GOOD)}}`),
    'two JSON objects': raw(JSON_TYPE, JSON.stringify(GOOD).repeat(2)),
    'JSON in single quotes': raw(JSON_TYPE, "{'action':'ban'}"),
    'JSON with a trailing comma': raw(JSON_TYPE, '{"action":"ban","ip":"198.18.0.7","jail":"sshd",}'),
    'JSON with NaN': raw(JSON_TYPE, '{"action":"ban","ip":"198.18.0.7","jail":"sshd","bantime":NaN}'),
    'JSON with a raw line end in a string': raw(JSON_TYPE, '{"action":"ban","ip":"198.18.0.7","jail":"ss\nhd"}'),
    'JSON null': raw(JSON_TYPE, 'null'),
    'a JSON number': raw(JSON_TYPE, '7'),
    'JSON true': raw(JSON_TYPE, 'true'),
    'a JSON string': raw(JSON_TYPE, '"198.18.0.7"'),
    'white space': raw(JSON_TYPE, ' \n '),
    'bytes that are nothing': raw(JSON_TYPE, Buffer.from([0xff, 0xfe, 0x00, 0x80])),
    '100,000 open brackets': raw(JSON_TYPE, '['.repeat(100_000)),
    '100,000 open objects': raw(JSON_TYPE, '{"a":'.repeat(100_000)),
    'plain text said to be gzip': raw(JSON_TYPE, JSON.stringify(GOOD), { 'content-encoding': 'gzip' }),
    'gzip that breaks off': raw(JSON_TYPE, gzipSync(JSON.stringify(GOOD)).subarray(0, -9), {
      'content-encoding': 'gzip',
    }),
    'gzip said to be deflate': raw(JSON_TYPE, gzipSync(JSON.stringify(GOOD)), { 'content-encoding': 'deflate' }),
    'gzip said to be Brotli': raw(JSON_TYPE, gzipSync(JSON.stringify(GOOD)), { 'content-encoding': 'br' }),
    'gzip that is not said to be': raw(JSON_TYPE, gzipSync(JSON.stringify(GOOD))),
  }),
  ...bodies(413, 'body', {
    'JSON over 1 MiB': raw(JSON_TYPE, JSON.stringify({ ...GOOD, matches: 'x'.repeat(1_048_576) })),
    'a form over 1 MiB': asForm({ ...GOOD, matches: 'x'.repeat(1_048_576) }),
    'gzip that grows over 1 MiB': raw(
      JSON_TYPE,
      gzipSync(JSON.stringify({ ...GOOD, matches: 'x'.repeat(20_000_000) })),
      {
        'content-encoding': 'gzip',
      },
    ),
    'a form of 1,001 fields': raw(FORM_TYPE, `action=ban&ip=198.18.0.7&jail=sshd${'&x=1'.repeat(1_000)}`),
    'an array of 1,001 reports': raw(JSON_TYPE, JSON.stringify(Array(1_001).fill(GOOD))),
  }),
  ...bodies(415, 'content-type', {
    'no content type': raw('', Buffer.from(JSON.stringify(GOOD))),
    'plain text': raw('text/plain', JSON.stringify(GOOD)),
    XML: raw('application/xml', '<report/>'),
    'a multipart form': raw('multipart/form-data; boundary=x', '--x\r\n\r\n\r\n--x--'),
    'a content type that is none': raw('json', JSON.stringify(GOOD)),
    'two content types': raw('application/json, text/plain', JSON.stringify(GOOD)),
    'UTF-16 JSON': raw(`${JSON_TYPE}; charset=utf-16`, Buffer.from(JSON.stringify(GOOD), 'utf16le')),
    'UTF-16LE JSON': raw(`${JSON_TYPE}; charset="UTF-16LE"`, Buffer.from(JSON.stringify(GOOD), 'utf16le')),
    'UTF-7 JSON': raw(`${JSON_TYPE}; charset=utf-7`, JSON.stringify(GOOD)),
    'Latin-1 JSON': raw(`${JSON_TYPE}; charset=iso-8859-1`, JSON.stringify(GOOD)),
    'a Latin-1 form': raw(`${FORM_TYPE}; charset=iso-8859-1`, 'action=ban&ip=198.18.0.7&jail=%e4'),
    'a charset that nobody knows': raw(`${JSON_TYPE}; charset=klingon`, JSON.stringify(GOOD)),
  }),
  ...bodies(415, 'content-encoding', {
    'an encoding that nobody knows': raw(JSON_TYPE, JSON.stringify(GOOD), { 'content-encoding': 'rot13' }),
    'the encoding compress': raw(JSON_TYPE, JSON.stringify(GOOD), { 'content-encoding': 'compress' }),
    'two encodings': raw(JSON_TYPE, gzipSync(gzipSync(JSON.stringify(GOOD))), { 'content-encoding': 'gzip, gzip' }),
  }),
];

const CODES: Record<number, string> = { 400: 'invalid', 413: 'too_large', 415: 'unsupported' };

describe('A malformed report', () => {
  let hub: TestHub;
  let token: string;
  let database: Database.Database;

  before(async () => {
    const url = newSqlite();
    hub = await TestHub.start({ database: url });
    token = await hub.addHost('alpha');
    database = new Database(url.slice('sqlite:'.length), { readonly: true });
  });
  after(async () => {
    database.close();
    await hub.close();
  });

  function stored() {
    const rows = (table: string) => database.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
    const revision = database.prepare('SELECT revision FROM revision').pluck().get();
    return { claims: rows('claims'), bans: rows('bans'), history: rows('reports'), changes: rows('changes'), revision };
  }

  const NOTHING = { claims: 0, bans: 0, history: 0, changes: 0, revision: 0 };

  for (const { what, sent, field, status } of MALFORMED) {
    it(`is refused, naming ${field}: ${what}`, async () => {
      const before = stored();
      const answer = await hub.request<Problem>(token, '/api/v1/reports', { method: 'POST', ...sent });
      assert.deepEqual(stored(), before);
      assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8', answer.text);
      const { code, detail, requestId, ...rest } = answer.body;
      assert.deepEqual(
        { status: answer.status, field: rest.field, code },
        { status, field, code: CODES[status] },
        detail,
      );
      assert.ok(detail.startsWith(`${field}: `) && detail.length < 300, detail);
      assert.match(requestId, /^[0-9a-f-]{36}$/);
    });
  }

  it('is never an unexpected error', () => {
    assert.ok(hub.log.length >= MALFORMED.length);
    assert.deepEqual(
      hub.log.filter((line) => /unexpected|"level":5/.test(line)),
      [],
    );
  });

  it('is answered in its place when it is an element of an array', async () => {
    const wrong = MALFORMED.filter(({ element }) => element !== undefined);
    const elements = [...wrong.map(({ element }) => element), null, 7, 'x', [], [GOOD]];
    const fields = [...wrong.map(({ field }) => field), 'body', 'body', 'body', 'body', 'body'];
    const answer = await hub.sendJson<{ outcome: string; field: string }[]>(token, 'POST', '/api/v1/reports', elements);
    assert.equal(answer.status, 200);
    assert.deepEqual(
      answer.body.map(({ outcome, field }) => ({ outcome, field })),
      fields.map((field) => ({ outcome: 'invalid', field })),
    );
    assert.deepEqual(stored(), NOTHING);
  });

  it('is told from an array with nothing in it, which asks for nothing', async () => {
    const answer = await hub.sendJson(token, 'POST', '/api/v1/reports', []);
    assert.deepEqual([answer.status, answer.body], [200, []]);
    assert.deepEqual(stored(), NOTHING);
  });
});

interface Known {
  published: boolean;
  endsAt: string | null;
  claims: { jail: string; failures: number; bannedAt: string; endsAt: string | null }[];
  history: { matches: string | null; restored: boolean; outcome: string; reason: string | null }[];
}

onBothEngines('A report that is odd, but says enough', (newDatabase) => {
  let hub: TestHub;
  let clock: TestClock;
  let [alpha, admin] = ['', ''];

  before(async () => {
    clock = new TestClock();
    hub = await TestHub.start({ database: await newDatabase(), clock: clock.read });
    [alpha, admin] = [await hub.addHost('alpha'), await hub.addHost('desk', 'admin')];
  });
  after(() => hub.close());

  /** A new address for each story. */
  let last = 0;
  const newAddress = () => `198.18.7.${++last}`;
  const known = async (ip: string) => (await hub.request<Known>(admin, `/api/v1/bans/${ip}`)).body;
  const send = (body: unknown) => hub.sendJson<{ outcome: string }>(alpha, 'POST', '/api/v1/reports', body);

  it('has its matched lines cut to 4,096 characters, and the ban is kept', async () => {
    const ip = newAddress();
    assert.equal((await hub.ban(alpha, ip, { matches: `first line\n${'x'.repeat(200_000)}` })).outcome, 'banned');
    const { published, history } = await known(ip);
    assert.equal(published, true);
    assert.equal(history[0]?.matches, `first line\n${'x'.repeat(200_000)}`.slice(0, 4_096));
  });

  it('has its matched lines cut without half an emoji, however many bytes they take', async () => {
    const ip = newAddress();
    assert.equal((await hub.ban(alpha, ip, { matches: `x${'🦊'.repeat(50_000)}` })).outcome, 'banned');
    assert.equal((await known(ip)).history[0]?.matches?.replace(/^x(🦊)+/u, ''), '\ufffd');
  });

  it('keeps its ban when its matched lines have NUL, lone surrogates, or bytes that are not UTF-8', async () => {
    const [first, second] = [newAddress(), newAddress()];
    assert.equal(
      (await send({ action: 'ban', ip: first, jail: 'sshd', matches: 'a\0b\ud800c' })).body.outcome,
      'banned',
    );
    assert.equal((await known(first)).history[0]?.matches, 'a\ufffdb\ufffdc');
    const body = `action=ban&ip=${second}&jail=sshd&matches=caf%e9`;
    await hub.request(alpha, '/api/v1/reports', { method: 'POST', ...raw(FORM_TYPE, body) });
    assert.equal((await known(second)).history[0]?.matches, 'caf\ufffd');
  });

  it('may give its matched lines as an array, or repeat the form field', async () => {
    const [first, second] = [newAddress(), newAddress()];
    await send({ action: 'ban', ip: first, jail: 'sshd', matches: ['one', 'two'] });
    assert.equal((await known(first)).history[0]?.matches, 'one\ntwo');
    const body = `action=ban&ip=${second}&jail=sshd&matches=one&matches=two`;
    await hub.request(alpha, '/api/v1/reports', { method: 'POST', ...raw(FORM_TYPE, body) });
    assert.equal((await known(second)).history[0]?.matches, 'one\ntwo');
  });

  it('may leave every optional field empty, as fail2ban does for a manual ban', async () => {
    const ip = newAddress();
    const empty = { failures: '', bantime: '', time: '', restored: '', matches: '' };
    assert.equal((await hub.ban(alpha, ip, empty)).outcome, 'banned');
    const { claims, history } = await known(ip);
    const endsAt = new Date(clock.now + 86_400_000).toISOString();
    assert.deepEqual(claims, [
      { source: 'alpha', jail: 'sshd', failures: 0, bannedAt: new Date(clock.now).toISOString(), endsAt },
    ]);
    assert.deepEqual([history[0]?.restored, history[0]?.matches], [false, null]);
  });

  it('may leave them null in JSON', async () => {
    const nothing = { failures: null, bantime: null, time: null, restored: null, matches: null };
    const answer = await send({ action: 'ban', ip: newAddress(), jail: 'sshd', ...nothing });
    assert.equal(answer.body.outcome, 'banned');
  });

  it('may give numbers as text, with a fraction, a sign or spaces around them', async () => {
    const ip = newAddress();
    const time = `${clock.now / 1_000 - 10}.250`;
    assert.equal((await hub.ban(alpha, ip, { failures: ' 12 ', bantime: '+600.5', time })).outcome, 'banned');
    const bannedAt = clock.now - 9_750;
    assert.deepEqual((await known(ip)).claims, [
      {
        source: 'alpha',
        jail: 'sshd',
        failures: 12,
        bannedAt: new Date(bannedAt).toISOString(),
        endsAt: new Date(bannedAt + 600_500).toISOString(),
      },
    ]);
  });

  for (const [value, meant] of [
    [0, false],
    ['0', false],
    [false, false],
    ['false', false],
    ['', false],
    [1, true],
    ['1', true],
    [true, true],
    ['true', true],
    ['True', true],
  ] as const) {
    it(`may say restored as ${JSON.stringify(value)}`, async () => {
      const ip = newAddress();
      await send({ action: 'ban', ip, jail: 'sshd', restored: value });
      assert.equal((await known(ip)).history[0]?.restored, meant);
    });
  }

  for (const bantime of [-1, '-1', '-1.0', 3_155_760_001, '99999999999999999999', 1e300]) {
    it(`bans for ever with a ban time of ${bantime}`, async () => {
      const ip = newAddress();
      assert.equal((await send({ action: 'ban', ip, jail: 'sshd', bantime })).body.outcome, 'banned');
      assert.deepEqual([(await known(ip)).published, (await known(ip)).endsAt], [true, null]);
    });
  }

  it('bans for a hundred years and no longer with a ban time of just that', async () => {
    const ip = newAddress();
    await hub.ban(alpha, ip, { bantime: 3_155_760_000 });
    assert.equal((await known(ip)).endsAt, new Date(clock.now + 3_155_760_000_000).toISOString());
  });

  for (const [what, time] of [
    ['in milliseconds', () => clock.now],
    ['in microseconds', () => clock.now * 1_000],
    ['tomorrow', () => clock.now / 1_000 + 86_400],
    ['beyond all calendars', () => 1e300],
  ] as const) {
    it(`counts from now with a time ${what}`, async () => {
      const ip = newAddress();
      assert.equal((await send({ action: 'ban', ip, jail: 'sshd', time: time() })).body.outcome, 'banned');
      assert.equal((await known(ip)).claims[0]?.bannedAt, new Date(clock.now).toISOString());
    });
  }

  it('is over, and says so, with a time of 1970 or a ban time of nothing', async () => {
    for (const fields of [{ time: 0 }, { bantime: 0 }] as Record<string, number>[]) {
      const ip = newAddress();
      assert.equal((await hub.ban(alpha, ip, fields)).reason, 'expired');
      const { published, claims, history } = await known(ip);
      assert.deepEqual([published, claims], [false, []]);
      assert.deepEqual([history.length, history[0]?.outcome, history[0]?.reason], [1, 'refused', 'expired']);
    }
  });

  it('may name a jail in any script, with 64 characters, and unban it by the same name', async () => {
    const ip = newAddress();
    const jail = `wächter-${'я'.repeat(54)}🦊`;
    assert.equal((await hub.ban(alpha, ip, { jail: ` ${jail} ` })).outcome, 'banned');
    assert.equal((await known(ip)).claims[0]?.jail, jail);
    assert.equal((await hub.unban(alpha, ip, { jail })).outcome, 'unbanned');
  });

  it('tells jails apart by capitals and accents, as fail2ban does', async () => {
    const ip = newAddress();
    await hub.ban(alpha, ip, { jail: 'straße' });
    for (const jail of ['STRASSE', 'strasse', 'Straße']) {
      assert.equal((await hub.unban(alpha, ip, { jail })).outcome, 'unchanged', jail);
    }
    assert.equal((await hub.unban(alpha, ip, { jail: 'straße' })).outcome, 'unbanned');
  });

  it('may be written in other ways that mean one address', async () => {
    for (const [written, meant] of [
      ['::ffff:198.18.8.1', '198.18.8.1'],
      ['::FFFF:c612:802', '198.18.8.2'],
      ['2001:0002:0:0:0:0:0:000A', '2001:2::a'],
      ['198.18.9.77/24', '198.18.9.0/24'],
      ['2001:2:1::ff/48', '2001:2:1::/48'],
      ['198.18.8.3/32', '198.18.8.3'],
    ] as const) {
      assert.equal((await hub.ban(alpha, written)).outcome, 'banned', written);
      assert.equal((await known(meant)).published, true, meant);
    }
  });

  it('may carry fields that we do not know', async () => {
    const answer = await hub.ban(alpha, newAddress(), { bancount: 3, hostname: 'alpha', __proto__: 1, toString: 'x' });
    assert.equal(answer.outcome, 'banned');
  });

  it('may come as gzip, with a byte order mark, or with UTF-8 spelled in any way', async () => {
    const report = () => JSON.stringify({ action: 'ban', ip: newAddress(), jail: 'sshd' });
    for (const sent of [
      raw(JSON_TYPE, gzipSync(report()), { 'content-encoding': 'gzip' }),
      raw(JSON_TYPE, `\ufeff${report()}`),
      raw('Application/JSON; Charset="UTF-8"', report()),
      raw(`${FORM_TYPE}; charset=utf-8`, `action=ban&ip=${newAddress()}&jail=sshd`),
    ]) {
      const answer = await hub.request<{ outcome: string }>(alpha, '/api/v1/reports', { method: 'POST', ...sent });
      assert.equal(answer.body?.outcome, 'banned', answer.text);
    }
  });

  it('does not keep the rest of its array from being taken', async () => {
    const [first, second] = [newAddress(), newAddress()];
    const answer = await hub.sendJson<{ outcome: string; field?: string; detail?: string }[]>(
      alpha,
      'POST',
      '/api/v1/reports',
      [
        { action: 'ban', ip: first, jail: 'sshd' },
        { action: 'ban', ip: '198.018.0.7', jail: 'sshd' },
        { action: 'ban', ip: '127.0.0.1', jail: 'sshd' },
        { action: 'ban', ip: second, jail: 'sshd' },
        { action: 'unban', ip: first, jail: 'sshd' },
      ],
    );
    assert.equal(answer.status, 200);
    assert.deepEqual(
      answer.body.map(({ outcome }) => outcome),
      ['banned', 'invalid', 'refused', 'banned', 'unbanned'],
    );
    assert.equal(answer.body[1]?.field, 'ip');
    assert.match(answer.body[1]?.detail ?? '', /^ip: .*leading zero/);
    assert.deepEqual([(await known(first)).published, (await known(second)).published], [false, true]);
  });

  it('may be one of a thousand', async () => {
    const reports = Array.from({ length: 1_000 }, (_, i) => ({
      action: 'ban',
      ip: `198.19.${i >> 8}.${i & 255}`,
      jail: 'sshd',
    }));
    const answer = await hub.sendJson<{ outcome: string }[]>(alpha, 'POST', '/api/v1/reports', reports);
    assert.deepEqual(new Set(answer.body.map(({ outcome }) => outcome)), new Set(['banned']));
    assert.equal(answer.body.length, 1_000);
  });
});
