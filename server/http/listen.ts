// HTTP: the server itself: plain or TLS, and a stop that answers what was accepted.
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** Seconds that open requests have to end when the hub stops. */
const GRACE = 10;

export interface ListenOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

export interface Listening {
  /** The base URL, such as http://127.0.0.1:8080. */
  readonly url: string;
  /** Reads certificate and key again, for connections from now on; undefined without TLS. */
  readonly reloadTls: (() => void) | undefined;
  /** Accepts nothing new, and resolves when every request is answered, or after ten seconds. */
  readonly close: () => Promise<void>;
}

/** @throws Error of the system when the address cannot be listened on, or a file not be read. */
export async function listen(handler: RequestListener, { host, port, tls }: ListenOptions): Promise<Listening> {
  const readTls = () => (tls ? { cert: readFileSync(tls.cert), key: readFileSync(tls.key) } : {});
  const secure = tls ? createHttpsServer(readTls(), handler) : undefined;
  const server: Server = secure ?? createHttpServer(handler);
  // A header or body that trickles in holds a connection no longer than this.
  server.headersTimeout = 15_000;
  server.requestTimeout = 30_000;
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `${tls ? 'https' : 'http'}://${shown}:${address.port}`,
    reloadTls: secure && (() => secure.setSecureContext(readTls())),
    close: () => closeServer(server, sockets),
  };
}

async function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Connections that are busy now become idle later: a keep-alive client would hold them open for ever. And Node takes
  // one that has not spoken yet, such as a health checker's, for busy.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  }, 50);
  const deadline = setTimeout(() => server.closeAllConnections(), GRACE * 1_000);
  server.closeIdleConnections();
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
}
