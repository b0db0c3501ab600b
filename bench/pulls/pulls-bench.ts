// Bench: how many pulls of a list of 100,000 a hub answers in a second, beside nginx with the same file.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Bench, BenchOptions } from '../bench.ts';
import { nextMessage, startModule } from '../child-process.ts';
import { type Comparison, compare, figureOf, type Target } from '../comparison.ts';
import { cpuTimeOf } from '../cpu-time.ts';
import { startHub } from '../hub-process.ts';
import { stockSqlite } from '../stocked-database.ts';
import { startNginx } from './nginx.ts';
import { pull } from './wrk.ts';

const SIZE = 100_000;
const CONNECTIONS = 16;
const NGINX = 'nginx';
const BARE = 'bare node:http';

type Form = 'not modified (304)' | 'full' | 'gzip';

const TARGETS: Readonly<Record<Form, { peer: string; target?: Target }>> = {
  'not modified (304)': { peer: BARE, target: { kind: 'ratio at least', value: 0.6 } },
  full: { peer: NGINX },
  gzip: { peer: NGINX, target: { kind: 'ratio at least', value: 0.8 } },
};

export const pullsBench: Bench = {
  name: 'pulls',
  title: `Pulls per second of a list of ${SIZE.toLocaleString('en-US')}, ${CONNECTIONS} keep-alive connections`,
  notes: [
    'Hub: one process, bearer token. nginx: one worker, sendfile, open_file_cache, gzip_static with the same bytes.',
    'Load by wrk with one thread. CPU: of the server. Whoever sends whole lists is bound by copying through loopback.',
  ],
  run: benchPulls,
};

interface Server {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
  /** How each form is asked for, and how long its body is. */
  readonly forms: ReadonlyMap<Form, { headers: Readonly<Record<string, string>>; bodyLength: number }>;
}

async function benchPulls(options: BenchOptions): Promise<Comparison[]> {
  const { runs, seconds, say } = options;
  const servers = await startServers(options);
  const rates = new Map<string, { rates: number[]; cpu: number[] }>();
  for (let run = 1; run <= runs; run++) {
    say(`run ${run} of ${runs}`);
    for (const form of Object.keys(TARGETS) as Form[]) {
      for (const { name, url, pid, headers, forms } of servers) {
        const { headers: asking, bodyLength } = forms.get(form)!;
        const before = cpuTimeOf(pid);
        const task = { url, headers: { ...headers, ...asking }, connections: CONNECTIONS, seconds, bodyLength };
        const { perSecond, count } = await pull(task);
        const known = rates.get(`${name} ${form}`) ?? { rates: [], cpu: [] };
        rates.set(`${name} ${form}`, known);
        known.rates.push(perSecond);
        known.cpu.push((cpuTimeOf(pid) - before) / count);
      }
    }
  }
  const figure = (name: string, form: Form) => {
    const { rates: all, cpu } = rates.get(`${name} ${form}`)!;
    return figureOf(all, cpu);
  };
  return (Object.keys(TARGETS) as Form[]).map((form) => {
    const { peer, target } = TARGETS[form];
    const names = peer === NGINX ? [NGINX, BARE] : [BARE, NGINX];
    const peers = Object.fromEntries(names.map((name) => [name, figure(name, form)]));
    return compare({ measure: form, unit: 'per second', ours: figure('hub', form), peers, target });
  });
}

/** The hub, and its peers with the very bytes that it sends. */
async function startServers({ folder, defer, say }: BenchOptions): Promise<Server[]> {
  say(`stocking a list of ${SIZE}`);
  const stock = await stockSqlite(folder, SIZE);
  const database = await stock.copy();
  const hub = await startHub({ database: database.url, log: join(folder, 'hub.log') });
  defer(() => hub.stop());
  const authorization = { authorization: `Bearer ${stock.token}` };
  const hubUrl = `${hub.url}/blocklist.txt`;
  const plain = await get(hubUrl, authorization);
  const gzipped = await get(hubUrl, { ...authorization, 'accept-encoding': 'gzip' });
  assert.equal(plain.body.toString().split('\n').length, SIZE + 1);
  assert.deepEqual(hashOf(gunzipSync(gzipped.body)), hashOf(plain.body));

  const file = join(folder, 'blocklist.txt');
  writeFileSync(file, plain.body);
  writeFileSync(`${file}.gz`, gzipped.body);
  const nginx = await startNginx(folder);
  defer(() => nginx.stop());
  const bare = startModule('bare-server.ts', [file, `${file}.gz`]);
  defer(() => bare.kill());
  const bareUrl = `http://127.0.0.1:${await nextMessage<number>(bare)}/blocklist.txt`;
  return [
    await serverOf({ name: 'hub', url: hubUrl, pid: hub.pid, headers: authorization }, plain.body, gzipped.body),
    await serverOf(
      { name: NGINX, url: `${nginx.url}/blocklist.txt`, pid: nginx.pid, headers: {} },
      plain.body,
      gzipped.body,
    ),
    await serverOf({ name: BARE, url: bareUrl, pid: bare.pid!, headers: {} }, plain.body, gzipped.body),
  ];
}

/** Makes sure that it sends what the others send, in each form. */
async function serverOf(server: Omit<Server, 'forms'>, plain: Buffer, gzipped: Buffer): Promise<Server> {
  const { url, headers } = server;
  const identity = { 'accept-encoding': 'identity' };
  const gzip = { 'accept-encoding': 'gzip' };
  const full = await get(url, { ...headers, ...identity });
  const compressed = await get(url, { ...headers, ...gzip });
  assert.deepEqual(hashOf(full.body), hashOf(plain), server.name);
  assert.deepEqual(hashOf(compressed.body), hashOf(gzipped), server.name);
  const known = { ...identity, 'if-none-match': full.etag };
  const unchanged = await get(url, { ...headers, ...known });
  assert.deepEqual([full.status, compressed.status, unchanged.status], [200, 200, 304], server.name);
  return {
    ...server,
    forms: new Map([
      ['not modified (304)', { headers: known, bodyLength: 0 }],
      ['full', { headers: identity, bodyLength: plain.length }],
      ['gzip', { headers: gzip, bodyLength: gzipped.length }],
    ]),
  };
}

interface Answer {
  readonly status: number;
  readonly etag: string;
  /** As it came over the wire. */
  readonly body: Buffer;
}

function get(url: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, etag: answer.headers.etag ?? '', body: Buffer.concat(chunks) });
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}

function hashOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}
