// Bench, floor, a process of its own: what node:http can do at most. Answers small posts, and one file as the hub does.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = Buffer.from('{"outcome":"banned","revision":1}');

/** The file and the same gzipped, when it is to serve one. */
const [plain = '', gzipped = ''] = process.argv.slice(2).map((path) => readFileSync(path));
const ETAG = '"bare"';

const server = createServer((req, res) => {
  if (req.method === 'POST') {
    let length = 0;
    req.on('data', (chunk: Buffer) => {
      length += chunk.length;
    });
    req.on('end', () => {
      res.writeHead(length > 0 ? 200 : 400, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length });
      res.end(ANSWER);
    });
    return;
  }
  if (req.headers['if-none-match'] === ETAG) return void res.writeHead(304, { ETag: ETAG }).end();
  const gzip = req.headers['accept-encoding'] === 'gzip';
  const body = gzip ? gzipped : plain;
  res.writeHead(200, {
    'Content-Type': 'text/plain',
    'Content-Length': body.length,
    ETag: ETAG,
    ...(gzip && { 'Content-Encoding': 'gzip' }),
  });
  res.end(body);
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
