// Sync client, pull: one bounded HTTP question to the hub. An answer whose bytes are complete and whole comes out, or a refusal.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { DIGEST_HEADER } from '../server/core/feed-headers.ts';
import { shown } from './blocklist.ts';

export interface Hub {
  /** The base: `/blocklist.txt` is put behind its path. */
  readonly url: URL;
  readonly token: string;
  /** PEM file; empty for the usual authorities. */
  readonly caFile: string;
  /** Milliseconds until the connection stands, TLS included. */
  readonly connectTimeLimit: number;
  /** Milliseconds for the whole question and answer. */
  readonly timeLimit: number;
  /** Bytes of a body, before and after unpacking. */
  readonly mostBytes: number;
}

/** Why an answer was not taken; what is enforced stays. */
export type Refusal =
  | 'unreachable'
  | 'timeout'
  | 'status'
  | 'content-type'
  | 'encoding'
  | 'headers'
  | 'digest'
  | 'truncated'
  | 'count'
  | 'entry'
  | 'too-large'
  | 'json'
  | 'guard'
  | 'stopped';

/** `detail` is one line for an administrator. It never holds the token. */
export interface Refused {
  readonly kind: 'refused';
  readonly refusal: Refusal;
  readonly detail: string;
}

export interface Answer {
  readonly kind: 'answer';
  readonly status: 200 | 304;
  readonly headers: IncomingMessage['headers'];
  /** Unpacked, UTF-8. */
  readonly text: string;
  /** The hub's address as connected to. */
  readonly remote: string | undefined;
}

export interface Question {
  readonly path: string;
  readonly etag?: string;
  /** The media type that the answer must have. */
  readonly type: string;
  readonly signal?: AbortSignal;
}

/**
 * Not by `fetch`: `Repr-Digest` covers the bytes as sent, and `fetch` hands out only the unpacked ones. Never rejects.
 * A redirect is not followed: the token is for this hub alone.
 */
export async function askHub(hub: Hub, question: Question): Promise<Answer | Refused> {
  const base = hub.url.href.replace(/\/+$/, '');
  const url = new URL(`${base}${question.path}`);
  const options: RequestOptions = {
    headers: {
      authorization: `Bearer ${hub.token}`,
      'accept-encoding': 'gzip',
      accept: question.type,
      'user-agent': 'banhub-sync',
      ...(question.etag && { 'if-none-match': question.etag }),
    },
    // A connection of its own, closed after the answer: the next question is a minute away.
    agent: false,
    signal: question.signal,
  };
  try {
    const raw = await exchange(await openRequest(url, options, hub.caFile), hub);
    return judge(raw, question, hub);
  } catch (error) {
    if (error instanceof RefusedError) return refused(error.refusal, error.message);
    if (question.signal?.aborted) return refused('stopped', 'stopped while waiting for the hub');
    return refused(
      'unreachable',
      `the hub cannot be reached: ${error instanceof Error ? error.message || String(error) : error}`,
    );
  }
}

export function refused(refusal: Refusal, detail: string): Refused {
  return { kind: 'refused', refusal, detail };
}

class RefusedError extends Error {
  constructor(
    readonly refusal: Refusal,
    message: string,
  ) {
    super(message);
  }
}

interface RawAnswer {
  readonly response: IncomingMessage;
  readonly body: Buffer;
  readonly remote: string | undefined;
}

async function openRequest(url: URL, options: RequestOptions, caFile: string): Promise<ClientRequest> {
  if (url.protocol === 'http:') return requestHttp(url, options);
  // Loaded only when needed: TLS is a good part of the time that a start takes.
  const { request } = await import('node:https');
  return request(url, caFile === '' ? options : { ...options, ca: readFileSync(caFile) });
}

function exchange(request: ClientRequest, hub: Hub): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (refusal: Refusal, message: string): void => {
      reject(new RefusedError(refusal, message));
      request.destroy();
    };
    const late = (what: string, limit: number): NodeJS.Timeout =>
      setTimeout(() => fail('timeout', `the hub ${what} within ${limit / 1000} s`), limit);
    const connecting = late('could not be connected to', hub.connectTimeLimit);
    const answering = late('did not answer', hub.timeLimit);
    let remote: string | undefined;
    let bytes = 0;
    const broken = (): void =>
      reject(
        new RefusedError(
          'truncated',
          `the hub closed the connection after ${bytes} bytes, before its answer was complete`,
        ),
      );
    request.on('close', () => {
      clearTimeout(connecting);
      clearTimeout(answering);
      // Does nothing when it was settled before.
      broken();
    });
    request.on('error', (error) => reject(error));
    request.on('socket', (socket) => {
      const connected = (): void => {
        clearTimeout(connecting);
        remote = socket.remoteAddress;
      };
      socket.once('connect', () => {
        if (!('encrypted' in socket)) connected();
      });
      socket.once('secureConnect', connected);
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > hub.mostBytes) fail('too-large', `the hub sent more than ${hub.mostBytes} bytes`);
        else chunks.push(chunk);
      });
      response.on('error', broken);
      response.on('end', () => resolve({ response, body: Buffer.concat(chunks), remote }));
    });
    request.end();
  });
}

function judge({ response, body, remote }: RawAnswer, question: Question, hub: Hub): Answer | Refused {
  const { headers, statusCode } = response;
  if (statusCode === 304 && question.etag) return { kind: 'answer', status: 304, headers, text: '', remote };
  if (statusCode !== 200) return refused('status', whyNotOk(statusCode ?? 0, headers.location));
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== question.type) {
    return refused(
      'content-type',
      `the answer is ${shown(type ?? 'of no type')}, not ${question.type}: is that the hub?`,
    );
  }
  const digest = headers[DIGEST_HEADER];
  if (digest !== undefined) {
    const actual = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
    if (!String(digest).split(/,\s*/).includes(actual))
      return refused('digest', 'the answer does not match its Repr-Digest');
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return { kind: 'answer', status: 200, headers, text: body.toString(), remote };
  if (encoding !== 'gzip') return refused('encoding', `the answer has the content encoding ${shown(encoding)}`);
  try {
    const text = gunzipSync(body, { maxOutputLength: hub.mostBytes }).toString();
    return { kind: 'answer', status: 200, headers, text, remote };
  } catch (error) {
    return refused(
      'encoding',
      `the answer cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function whyNotOk(status: number, location: string | undefined): string {
  const told = `the hub answered ${status}`;
  if (status === 401) return `${told}: it does not know the token (BANHUB_TOKEN)`;
  if (status === 403) return `${told}: the token may not pull (it needs the scope pull)`;
  if (status === 404) return `${told}: is BANHUB_URL right?`;
  if (location !== undefined) return `${told} and points to ${shown(location)}: set BANHUB_URL to where the hub is`;
  return told;
}
