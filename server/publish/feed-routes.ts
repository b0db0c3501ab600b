// Publish: GET /blocklist.txt and GET /api/v1/blocklist/changes, for sync clients and firewalls.
import { type Request, type RequestHandler, Router } from 'express';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { COUNT_HEADER, DIGEST_HEADER, REVISION_HEADER } from '../core/feed-headers.ts';
import type { Clock } from '../core/words.ts';
import { parseQuery } from '../http/query.ts';
import type { Blocklist } from './blocklist.ts';
import { netChanges } from './changes.ts';
import type { FeedFilter } from './feed.ts';
import type { FeedCache } from './feed-cache.ts';
import { changeDate, isNotModified } from './validators.ts';

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);

const listQuery = z.object({
  family: z
    .enum(['4', '6'], 'must be 4 or 6')
    .transform((family) => (family === '4' ? 4 : 6))
    .optional(),
  aggregate: z.enum(['0', '1'], 'must be 0 or 1').optional(),
  limit: wholeNumber.refine((limit) => limit > 0, 'must be at least 1').optional(),
  part: wholeNumber.refine((part) => part > 0, 'must be at least 1').optional(),
  jail: z.string().min(1, 'is empty').max(64).optional(),
  token: z.string().optional(),
});

const changesQuery = z.object({
  since: wholeNumber,
  wait: wholeNumber.refine((seconds) => seconds <= 55, 'must be at most 55').optional(),
  token: z.string().optional(),
});

export interface FeedRoutesOptions {
  readonly blocklist: Blocklist;
  readonly feeds: FeedCache;
  /** Reads what is new. */
  readonly follow: () => Promise<void>;
  readonly clock: Clock;
  readonly mayPull: RequestHandler[];
}

export function feedRoutes({ blocklist, feeds, follow, clock, mayPull }: FeedRoutesOptions): Router {
  const router = Router();

  router.get('/blocklist.txt', ...mayPull, async (req, res) => {
    const feed = feeds.get(filterOf(req));
    const gzip = req.acceptsEncodings('gzip', 'identity') === 'gzip';
    const { body, etag, digest } = gzip ? await feed.gzipped() : feed.plain;
    const changed = feed.changedAt === null ? undefined : changeDate(feed.changedAt, clock());
    res.set({
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'private, no-cache',
      Vary: 'Accept-Encoding, Authorization',
      ETag: etag,
      ...(changed && { 'Last-Modified': new Date(changed.shown).toUTCString() }),
      [REVISION_HEADER]: String(feed.revision),
      [COUNT_HEADER]: String(feed.count),
    });
    if (isNotModified(req.headers, [feed.plain.etag, etag], changed)) return void res.status(304).end();
    res.set({ [DIGEST_HEADER]: digest, 'Content-Length': String(body.length) });
    if (gzip) res.set('Content-Encoding', 'gzip');
    res.end(body);
  });

  // `wait` is checked, and answered at once: waiting is the asker's wish, not a promise.
  router.get('/api/v1/blocklist/changes', ...mayPull, async (req, res) => {
    const { since } = parseQuery(changesQuery, req);
    // The asker may come from another hub of this database, a moment ahead. With the database away, from memory.
    if (since > blocklist.revision) await follow().catch(() => {});
    const changes = blocklist.changesSince(since);
    const { revision } = blocklist;
    res.set({
      'Cache-Control': 'private, no-store',
      [REVISION_HEADER]: String(revision),
      [COUNT_HEADER]: String(blocklist.size),
    });
    res.json(changes ? { revision, since, ...netChanges(changes) } : { revision, reset: true });
  });

  return router;
}

function filterOf(req: Request): FeedFilter {
  const query = parseQuery(listQuery, req);
  if (query.part !== undefined && query.limit === undefined) {
    throw new AppError('invalid', 'part: needs limit, the number of entries in each part', { field: 'part' });
  }
  return { ...query, aggregate: query.aggregate === '1', part: query.part ?? 1 };
}
