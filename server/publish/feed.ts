// Publish: one feed of the list: which bans, in which form. A ready body comes out, with everything its headers need.
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Position, PublishedBan } from '../core/words.ts';
import { aggregate } from './aggregate.ts';

const gzipAsync = promisify(gzip);

/** What a consumer asks for. Everything undefined: the whole list as it is. */
export interface FeedFilter {
  readonly family?: 4 | 6 | undefined;
  /** Only bans that a standing claim of this jail holds. */
  readonly jail?: string | undefined;
  /** Join neighbours into networks. */
  readonly aggregate: boolean;
  /** So many bans at most: those that matter most, of each part. */
  readonly limit?: number | undefined;
  /** Which part of the list, in pieces of `limit` bans, the first being 1. */
  readonly part: number;
}

/** One form in which a body can be sent. */
export interface Encoded {
  readonly body: Buffer;
  /** A strong entity tag: two bodies with the same tag are the same. */
  readonly etag: string;
  /** RFC 9530 `sha-256=:…:` of the body as sent. */
  readonly digest: string;
}

/** A feed, rendered. Its body does not change any more, however long somebody takes to read it. */
export interface Feed {
  readonly revision: number;
  /** When the list last changed; null for a feed that also changes with who claims what, of which no date is kept. */
  readonly changedAt: number | null;
  readonly count: number;
  readonly plain: Encoded;
  /** Compressed when first asked for, and then kept. */
  readonly gzipped: () => Promise<Encoded>;
}

/** Whether a feed also changes with who claims a ban, which does not move the revision. */
export function changesWithClaims({ jail, limit }: FeedFilter): boolean {
  return jail !== undefined || limit !== undefined;
}

export function renderFeed(sorted: readonly PublishedBan[], position: Position, filter: FeedFilter): Feed {
  const { family, jail } = filter;
  let bans = sorted;
  if (family !== undefined) bans = bans.filter(({ address }) => address.family === family);
  if (jail !== undefined) bans = bans.filter(({ ban }) => ban.jails.includes(jail));
  if (filter.limit !== undefined) bans = mostImportant(bans, filter.limit, filter.part);
  const addresses = bans.map(({ address }) => address);
  const lines = (filter.aggregate ? aggregate(addresses) : addresses).map(({ text }) => text);
  const body = Buffer.from(lines.length > 0 ? `${lines.join('\n')}\n` : '');
  const plain = encode(body, '');
  let gzipped: Promise<Encoded> | undefined;
  return {
    revision: position.revision,
    changedAt: changesWithClaims(filter) ? null : position.changedAt,
    count: lines.length,
    plain,
    gzipped: () => {
      gzipped ??= gzipAsync(body).then((compressed) => encode(compressed, '-gzip'));
      return gzipped;
    },
  };
}

/** Most hosts claiming first, then the newest; back in the order of lists. */
function mostImportant(bans: readonly PublishedBan[], limit: number, part: number): PublishedBan[] {
  const ranked = bans.map((published, index) => ({ published, index }));
  ranked.sort((a, b) => {
    const [left, right] = [a.published.ban, b.published.ban];
    return right.hosts - left.hosts || right.lastBannedAt - left.lastBannedAt || a.index - b.index;
  });
  return ranked
    .slice((part - 1) * limit, part * limit)
    .sort((a, b) => a.index - b.index)
    .map(({ published }) => published);
}

function encode(body: Buffer, suffix: string): Encoded {
  const hash = createHash('sha256').update(body).digest('base64');
  return { body, etag: `"${hash.slice(0, 27)}${suffix}"`, digest: `sha-256=:${hash}:` };
}
