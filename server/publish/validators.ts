// Publish: conditional requests (RFC 9110 section 13), compared here because Express's `req.fresh` answers every
// request that carries `Cache-Control: no-cache` in full, and Node's fetch always sends that.
import type { IncomingHttpHeaders } from 'node:http';

/** When a feed changed, as far as a date can tell. HTTP dates have whole seconds. */
export interface ChangeDate {
  /** For `Last-Modified`, in milliseconds. */
  readonly shown: number;
  /** Whoever names this or a later one has it, in milliseconds; infinite while another change could have the same date. */
  readonly settled: number;
}

/** Whether the asker has this already. `If-None-Match`, where given, is all that counts. */
export function isNotModified(
  headers: IncomingHttpHeaders,
  etags: readonly string[],
  changed: ChangeDate | undefined,
): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return true;
    return noneMatch.split(',').some((tag) => etags.includes(tag.trim().replace(/^W\//, '')));
  }
  return changed !== undefined && Date.parse(headers['if-modified-since'] ?? '') >= changed.settled;
}

/**
 * Within the second of a change, the one before is shown and none is settled: so that the next change, in the same
 * second, is never taken for this one.
 */
export function changeDate(changedAt: number, now: number): ChangeDate {
  const second = Math.floor(changedAt / 1_000) * 1_000;
  return now < second + 1_000
    ? { shown: second - 1_000, settled: Number.POSITIVE_INFINITY }
    : { shown: second, settled: second };
}
