// Test support: answers of a hub, proper and less so.
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { listHeaders, type Misbehaviour } from '../support/fake-hub.ts';

export const GOOD = ['198.18.0.7', '198.18.7.0/24', '2001:db8::7'];

type Headers = Record<string, string>;

/** A complete list, after `change` had its way with the headers. */
export const answer =
  (entries: string[], change: (headers: Headers) => void = () => {}): Misbehaviour =>
  (_request, response) => {
    const { headers, body } = properAnswer(entries);
    change(headers);
    response.writeHead(200, headers).end(body);
  };

export const status =
  (code: number, body = ''): Misbehaviour =>
  (_request, response) => {
    response.writeHead(code, { 'content-type': 'text/html', location: '/elsewhere' }).end(body);
  };

function properAnswer(entries: string[]): { headers: Headers; body: string } {
  const body = entries.map((entry) => `${entry}\n`).join('');
  return { body, headers: headersFor(body, entries.length) };
}

function headersFor(body: string | Buffer, count: number): Headers {
  const bytes = Buffer.from(body);
  return { ...listHeaders(bytes, { revision: 9, count }), 'content-length': String(bytes.length) };
}

export function digestOf(entry: string): string {
  return properAnswer([entry]).headers['repr-digest']!;
}

export function halfABody(how: 'length' | 'chunked'): Misbehaviour {
  return (_request, response) => {
    const { headers, body } = properAnswer(GOOD);
    if (how === 'chunked') delete headers['content-length'];
    response.writeHead(200, headers);
    // A whole line, so that only the transfer shows that something is missing.
    response.write(body.slice(0, body.indexOf('\n') + 1), () => response.destroy());
  };
}

export function cutLine(_request: unknown, response: ServerResponse): void {
  const cut = properAnswer(['198.18.0.1', '198.18.0.25']).body.slice(0, -2);
  response.writeHead(200, headersFor(cut, 2)).end(cut);
}

export function compressed(_request: unknown, response: ServerResponse): void {
  const bytes = gzipSync(properAnswer(['198.18.0.1']).body);
  response.writeHead(200, { ...headersFor(bytes, 1), 'content-encoding': 'gzip' }).end(bytes);
}
