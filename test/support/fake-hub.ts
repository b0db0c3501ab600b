// Test support: a hub that serves one list properly, or misbehaves on demand. For what a sync client does with each.
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { addressOf, compareAddresses } from '../../server/core/address.ts';
import { COUNT_HEADER, DIGEST_HEADER, REVISION_HEADER } from '../../server/core/feed-headers.ts';

export interface FakeRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly status: number;
}

/** Answers instead of the hub. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface FakeHub {
  readonly url: string;
  /** The same hub, for `Host.relay`. */
  readonly socketPath: string;
  readonly token: string;
  readonly requests: FakeRequest[];
  readonly revision: number;
  /** The list, as it would be sent. */
  readonly text: string;
  /** A new list, with a revision of its own; `changes` tells the difference to those before. */
  publish(entries: readonly string[]): void;
  add(...entries: string[]): void;
  remove(...entries: string[]): void;
  /** Until `behave`. */
  misbehave(how: Misbehaviour): void;
  behave(): void;
  /** Refuses connections until `listen`. */
  stop(): Promise<void>;
  listen(): Promise<void>;
  close(): Promise<void>;
}

export const FAKE_TOKEN = 'pull-token-0123456789abcdef';

let counter = 0;

export async function createFakeHub(): Promise<FakeHub> {
  const socketPath = join(tmpdir(), `banhub-fake-${process.pid}-${counter++}.sock`);
  const lists: string[][] = [[]];
  const requests: FakeRequest[] = [];
  let misbehaviour: Misbehaviour | undefined;
  let port = 0;
  const current = (): string[] => lists.at(-1) ?? [];

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.on('finish', () => {
      requests.push({ path: request.url ?? '', headers: request.headers, status: response.statusCode });
    });
    if (misbehaviour) {
      misbehaviour(request, response);
      return;
    }
    if (request.headers.authorization !== `Bearer ${FAKE_TOKEN}`) {
      response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{"code":"unauthorized"}');
      return;
    }
    const url = new URL(request.url ?? '', 'http://hub');
    if (url.pathname === '/blocklist.txt') sendList(request, response, current(), lists.length - 1);
    else if (url.pathname === '/api/v1/blocklist/changes')
      sendChanges(response, lists, Number(url.searchParams.get('since')));
    else response.writeHead(404).end();
  };
  const servers = [createServer(answer), createServer(answer)] as const;
  const listening = (index: 0 | 1, where: number | string): Promise<void> =>
    new Promise((resolve, reject) => {
      servers[index].once('error', reject);
      const ready = (): void => resolve();
      if (typeof where === 'number') servers[index].listen(where, '127.0.0.1', ready);
      else servers[index].listen(where, ready);
    });
  const hub: FakeHub = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    socketPath,
    token: FAKE_TOKEN,
    requests,
    get revision() {
      return lists.length - 1;
    },
    get text() {
      return textOf(current());
    },
    publish: (entries) => {
      lists.push(sorted(entries));
    },
    add: (...entries) => hub.publish([...current(), ...entries]),
    remove: (...entries) => hub.publish(current().filter((entry) => !entries.includes(entry))),
    misbehave: (how) => {
      misbehaviour = how;
    },
    behave: () => {
      misbehaviour = undefined;
    },
    stop: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    },
    listen: async () => {
      await listening(0, port);
      port = (servers[0].address() as AddressInfo).port;
      await rm(socketPath, { force: true });
      await listening(1, socketPath);
    },
    close: async () => {
      await hub.stop();
      await rm(socketPath, { force: true });
    },
  };
  await hub.listen();
  return hub;
}

/** The headers that make a body a complete list. */
export function listHeaders(body: Buffer, { revision, count }: { revision: number; count: number }) {
  return {
    'content-type': 'text/plain; charset=utf-8',
    [REVISION_HEADER]: String(revision),
    [COUNT_HEADER]: String(count),
    [DIGEST_HEADER]: `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
    etag: `"r${revision}"`,
  };
}

function sendList(request: IncomingMessage, response: ServerResponse, list: string[], revision: number): void {
  if (request.headers['if-none-match'] === `"r${revision}"`) {
    response.writeHead(304, { etag: `"r${revision}"`, [REVISION_HEADER]: String(revision) }).end();
    return;
  }
  const gzip = /\bgzip\b/.test(String(request.headers['accept-encoding']));
  const plain = Buffer.from(textOf(list));
  const body = gzip ? gzipSync(plain) : plain;
  response.writeHead(200, {
    ...listHeaders(body, { revision, count: list.length }),
    ...(gzip && { 'content-encoding': 'gzip' }),
    'content-length': body.length,
  });
  response.end(body);
}

function sendChanges(response: ServerResponse, lists: string[][], since: number): void {
  const before = lists[since];
  const after = lists.at(-1) ?? [];
  const revision = lists.length - 1;
  const [old, now] = [new Set(before), new Set(after)];
  const remove = (before ?? []).filter((entry) => !now.has(entry));
  const body = before
    ? { revision, since, add: after.filter((entry) => !old.has(entry)), remove, lifted: [] }
    : { revision, reset: true };
  response.writeHead(200, { 'content-type': 'application/json', [COUNT_HEADER]: String(after.length) });
  response.end(JSON.stringify(body));
}

function textOf(list: readonly string[]): string {
  return list.map((entry) => `${entry}\n`).join('');
}

function sorted(entries: readonly string[]): string[] {
  return [...new Set(entries)]
    .map(addressOf)
    .sort(compareAddresses)
    .map(({ text }) => text);
}
