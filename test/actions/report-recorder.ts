// Test support: an HTTP server in place of the hub that records every report, and answers as it is told to.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Report {
  action: string;
  ip: string;
  fields: Record<string, string>;
  /** The body as it came, before decoding. */
  body: string;
  authorization: string | undefined;
  path: string;
  at: number;
}

export class ReportRecorder {
  readonly reports: Report[] = [];
  /** Status of the next answers. */
  status = 200;
  /** With true, requests are recorded but never answered. */
  silent = false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', async (request: IncomingMessage, response) => {
      const body = await readBody(request);
      this.reports.push(toReport(request, body));
      if (this.silent) return;
      const headers = this.status === 301 ? { location: `${this.url}/moved` } : {};
      response.writeHead(this.status, { 'content-type': 'application/json', ...headers });
      response.end('{"outcome":"banned","revision":1}');
    });
  }

  static async listen(): Promise<ReportRecorder> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ReportRecorder(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api/v1/reports`;
  }

  /** The first report of this kind for this address; waits for it. */
  async arrival(action: string, ip: string, matching: (report: Report) => boolean = () => true): Promise<Report> {
    return poll(`${action} of ${ip}`, () =>
      this.reports.find((report) => report.action === action && report.ip === ip && matching(report)),
    );
  }

  of(action: string): Report[] {
    return this.reports.filter((report) => report.action === action);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Asks again and again until the answer is truthy; fails after the deadline, naming what was waited for. */
export async function poll<T>(what: string, ask: () => T | Promise<T>, withinMs = 30_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function toReport(request: IncomingMessage, body: string): Report {
  const fields = Object.fromEntries(new URLSearchParams(body));
  return {
    action: fields.action ?? '',
    ip: fields.ip ?? '',
    fields,
    body,
    authorization: request.headers.authorization,
    path: request.url ?? '',
    at: Date.now(),
  };
}
