// Bench, load: one keep-alive client that sends a report, waits for its answer, and sends the next. HTTP/1.1 by hand:
// node:http as a client costs more than the hub that it is to measure.
import { connect, type Socket } from 'node:net';
import { addressAt } from '../addresses.ts';

export interface ReportTarget {
  readonly port: number;
  readonly token: string;
}

/** What the clients of one run share. */
export interface ReportRun {
  /** `performance.now()` after which nobody sends any more. */
  readonly until: number;
  /** The index of the next address to report. */
  next: number;
  /** Milliseconds of each answered report. */
  readonly latencies: number[];
}

/** Resolves when the last answer is there. @throws Error on any answer but a ban that was taken. */
export async function sendReports(target: ReportTarget, run: ReportRun): Promise<void> {
  const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
  const answers = answersOf(socket);
  try {
    while (performance.now() < run.until) {
      const start = performance.now();
      socket.write(requestFor(addressAt(run.next++), target.token));
      const { value: answer = 'the connection was closed' } = await answers.next();
      if (!answer.startsWith('HTTP/1.1 200 ') || !answer.includes('"outcome":"banned"')) throw new Error(answer);
      run.latencies.push(performance.now() - start);
    }
  } finally {
    socket.destroy();
  }
}

/** Just as the curl of actions/banhub.conf sends it. */
function requestFor(address: string, token: string): string {
  const time = Math.floor(Date.now() / 1_000);
  const body = `ip=${address}&jail=sshd&failures=5&bantime=604800&time=${time}&restored=0&action=ban`;
  return `POST /api/v1/reports HTTP/1.1\r
Host: 127.0.0.1\r
User-Agent: curl/7.88.1\r
Accept: */*\r
Authorization: Bearer ${token}\r
Content-Length: ${body.length}\r
Content-Type: application/x-www-form-urlencoded\r
\r
${body}`;
}

async function* answersOf(socket: Socket): AsyncGenerator<string, undefined> {
  let received = '';
  for await (const chunk of socket) {
    received += chunk.toString('latin1');
    const head = received.indexOf('\r\n\r\n');
    if (head < 0) continue;
    const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1];
    if (length === undefined) throw new Error(`an answer without a length: ${received}`);
    if (received.length < head + 4 + Number(length)) continue;
    yield received;
    received = '';
  }
}
