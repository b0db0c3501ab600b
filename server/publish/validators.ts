// Publish: conditional requests (RFC 9110 section 13), compared here because Express's `req.fresh` answers every
// request that carries `Cache-Control: no-cache` in full, and Node's fetch always sends that.
import type { IncomingHttpHeaders } from 'node:http';

/** Whether the asker has this already. `If-None-Match`, where given, is all that counts. */
export function isNotModified(headers: IncomingHttpHeaders, etags: readonly string[], lastModified: Date): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return true;
    return noneMatch.split(',').some((tag) => etags.includes(tag.trim().replace(/^W\//, '')));
  }
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return since >= lastModified.getTime();
}

/**
 * HTTP dates have whole seconds. Within the second of a change the one before is named, so that a second change in
 * the same second is never taken for the first.
 */
export function lastModifiedOf(changedAt: number, now: number): Date {
  const second = Math.floor(changedAt / 1_000) * 1_000;
  return new Date(now < second + 1_000 ? second - 1_000 : second);
}
