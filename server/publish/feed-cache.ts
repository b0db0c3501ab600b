// Publish: each feed is rendered once per revision, when somebody first asks for it.
import type { Blocklist } from './blocklist.ts';
import { changesWithClaims, type Feed, type FeedFilter, renderFeed } from './feed.ts';

/** Different filters kept ready; the one not asked for longest goes first. */
const MAX_FEEDS = 32;

export class FeedCache {
  readonly #blocklist: Blocklist;
  readonly #feeds = new Map<string, { feed: Feed; stamp: number }>();

  constructor(blocklist: Blocklist) {
    this.#blocklist = blocklist;
  }

  get(filter: FeedFilter): Feed {
    const key = JSON.stringify([filter.family, filter.jail, filter.aggregate, filter.limit, filter.part]);
    const known = this.#feeds.get(key);
    const { logPosition, revision } = this.#blocklist.position;
    const stamp = changesWithClaims(filter) ? logPosition : revision;
    if (known?.stamp === stamp) return known.feed;
    const feed = renderFeed(this.#blocklist.sorted(), this.#blocklist.position, filter);
    this.#feeds.delete(key);
    this.#feeds.set(key, { feed, stamp });
    const oldest = this.#feeds.size > MAX_FEEDS ? this.#feeds.keys().next().value : undefined;
    if (oldest !== undefined) this.#feeds.delete(oldest);
    return feed;
  }
}
