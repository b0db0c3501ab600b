// Bench, load: wrk pulls one URL again and again over keep-alive connections.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const SUMMARY = fileURLToPath(new URL('wrk-summary.lua', import.meta.url));

const summary = z.object({ requests: z.number(), microseconds: z.number(), bytes: z.number(), failed: z.number() });

export interface PullTask {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  /** Bytes of the body that each answer must have. */
  readonly bodyLength: number;
}

export interface PullResult {
  readonly perSecond: number;
  readonly count: number;
}

/** @throws Error when an answer was an error, or too short. */
export async function pull({ url, headers, connections, seconds, bodyLength }: PullTask): Promise<PullResult> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const load = ['-t', '1', '-c', String(connections), '-d', `${Math.ceil(seconds)}s`, '-s', SUMMARY];
  const { stdout } = await promisify(execFile)('wrk', [...load, ...fields, url]);
  const { requests, microseconds, bytes, failed } = summary.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  if (failed > 0) throw new Error(`${failed} of ${requests} pulls of ${url} failed`);
  if (bytes < requests * bodyLength) throw new Error(`pulls of ${url} were shorter than ${bodyLength} bytes`);
  return { perSecond: (requests / microseconds) * 1_000_000, count: requests };
}
