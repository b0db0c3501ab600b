// A whole hub in this process, on a real database and a real port, with a clock that the test sets.
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type App, createApp } from '../../server/app.ts';
import { readConfig } from '../../server/config.ts';
import type { Scope } from '../../server/core/words.ts';
import { addHost } from '../../server/fleet/enrol.ts';
import { type Listening, listen } from '../../server/http/listen.ts';
import { createLogger } from '../../server/log.ts';
import { Store } from '../../server/store/store.ts';
import { newSqlite } from './engines.ts';

export const ROOT = join(fileURLToPath(import.meta.url), '..', '..', '..');

export interface HubOptions {
  /** The database; a new SQLite file when not given. */
  database?: string;
  /** Settings other than the defaults. */
  settings?: Record<string, string>;
  /** The hub's clock; the real one when not given. */
  clock?: () => number;
  /** `HOST` to listen on, when it is to be reached from a namespace. */
  listen?: string;
}

export interface Answer<Body = unknown> {
  status: number;
  headers: Headers;
  text: string;
  body: Body;
}

export class TestHub {
  readonly app: App;
  readonly store: Store;
  readonly url: string;
  /** Everything that was logged. */
  readonly log: string[];
  readonly #server: Listening;

  private constructor(app: App, store: Store, server: Listening, log: string[]) {
    this.app = app;
    this.store = store;
    this.#server = server;
    this.url = server.url;
    this.log = log;
  }

  static async start({ database = newSqlite(), settings = {}, clock = Date.now, listen: host }: HubOptions = {}) {
    const log: string[] = [];
    const sink = new Writable({
      write(chunk, _encoding, done) {
        log.push(String(chunk));
        done();
      },
    });
    const store = new Store({ url: database, sqlFolder: join(ROOT, 'sql'), clock });
    await store.migrate();
    const app = await createApp({
      config: readConfig(undefined, settings),
      store,
      clock,
      logger: createLogger('debug', sink),
      root: ROOT,
    });
    const server = await listen(app.handler, { host: host ?? '127.0.0.1', port: 0 });
    return new TestHub(app, store, server, log);
  }

  /** Enrols a host and returns its token. */
  addHost(name: string, ...scopes: Scope[]): Promise<string> {
    return addHost(this.store, name, scopes.length > 0 ? scopes : ['report', 'pull']);
  }

  /** One HTTP request with a token. */
  async request<Body = unknown>(token: string, path: string, init: RequestInit = {}): Promise<Answer<Body>> {
    const authorization: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`${this.url}${path}`, {
      ...init,
      headers: { ...authorization, ...(init.headers as Record<string, string>) },
    });
    const text = await response.text();
    const json = (response.headers.get('content-type') ?? '').includes('json');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (json && text !== '' ? JSON.parse(text) : undefined) as Body,
    };
  }

  /** Sends a report as fail2ban's curl does, and returns what came of it. */
  async report(
    token: string,
    fields: Record<string, string | number>,
  ): Promise<{ outcome: string; reason?: string; revision: number }> {
    const form = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) form.set(name, String(value));
    const answer = await this.request<{ outcome: string; revision: number }>(token, '/api/v1/reports', {
      method: 'POST',
      body: form,
    });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
    return answer.body;
  }

  ban(token: string, ip: string, fields: Record<string, string | number> = {}) {
    return this.report(token, { action: 'ban', ip, jail: 'sshd', ...fields });
  }

  unban(token: string, ip: string, fields: Record<string, string | number> = {}) {
    return this.report(token, { action: 'unban', ip, jail: 'sshd', ...fields });
  }

  /** The lines of /blocklist.txt. */
  async list(token: string, query = ''): Promise<string[]> {
    const answer = await this.request(token, `/blocklist.txt${query}`);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
    return answer.text.split('\n').slice(0, -1);
  }

  sendJson<Body = unknown>(token: string, method: string, path: string, body: unknown) {
    return this.request<Body>(token, path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  /** Stops as SIGTERM does. */
  async close(): Promise<void> {
    await this.#server.close();
    await this.app.close();
    await this.store.close();
  }
}

/** A clock that stands still until it is told. */
export class TestClock {
  now = Date.UTC(2026, 0, 1);
  readonly read = () => this.now;

  pass(seconds: number): void {
    this.now += seconds * 1_000;
  }
}
