// Publish: the blocklist of this moment in memory, and the newest changes, kept up to date from the change log.
import { compareAddresses } from '../core/address.ts';
import type { Change, ChangeKind, Commit, Position, PublishedBan } from '../core/words.ts';

/** How many logged changes are kept for consumers that ask for a difference. */
export const CHANGE_WINDOW = 100_000;

/** One membership change, as kept for `changes`. */
export interface LoggedChange {
  readonly revision: number;
  readonly text: string;
  readonly kind: Exclude<ChangeKind, 'update'>;
}

const BEFORE_ALL: Position = {
  revision: 0,
  logPosition: 0,
  changedAt: 0,
  changesFloor: 0,
  hostsVersion: 0,
  allowlistVersion: 0,
};

/** Empty until it is loaded. */
export class Blocklist {
  #bans = new Map<string, PublishedBan>();
  #position: Position = BEFORE_ALL;
  /** In the order of lists; what came since is in #bans, and merged in when a list is asked for. */
  #sorted: readonly PublishedBan[] = [];
  #touched = new Set<string>();
  #window: LoggedChange[] = [];
  #windowFloor = 0;

  /** Forgets everything for `bans`, in the order of lists, and `start`, as LogQueries.loadAll returns it for CHANGE_WINDOW. */
  load(bans: readonly PublishedBan[], start: Commit): void {
    this.#sorted = bans;
    this.#touched = new Set();
    this.#bans = new Map(bans.map((published) => [published.address.text, published]));
    this.#position = start.position;
    // The oldest row may be one of several of its revision: only later revisions are sure to be whole.
    const whole = start.changes.length < CHANGE_WINDOW;
    this.#windowFloor = whole ? start.position.changesFloor : (start.changes[0]?.revision ?? start.position.revision);
    this.#window = [];
    for (const change of start.changes) this.#remember(change);
  }

  get position(): Position {
    return this.#position;
  }

  get revision(): number {
    return this.#position.revision;
  }

  get size(): number {
    return this.#bans.size;
  }

  /** Takes over what was committed right after the position it is at; the caller sees to the order. */
  apply({ position, changes }: Commit): void {
    for (const change of changes) {
      const { address, kind, ban } = change;
      const { text } = address;
      const listed = kind === 'add' || (kind === 'update' && this.#bans.has(text));
      if (listed && ban) this.#bans.set(text, { address: this.#bans.get(text)?.address ?? address, ban });
      else this.#bans.delete(text);
      this.#touched.add(text);
      this.#remember(change);
    }
    this.#position = position;
    if (this.#window.length > 2 * CHANGE_WINDOW) this.#trim();
  }

  /** All bans in the order of lists. */
  sorted(): readonly PublishedBan[] {
    if (this.#touched.size > 0) {
      const fresh = [...this.#touched].flatMap((text) => this.#bans.get(text) ?? []);
      fresh.sort((a, b) => compareAddresses(a.address, b.address));
      this.#sorted = merge(this.#sorted, this.#touched, fresh);
      this.#touched = new Set();
    }
    return this.#sorted;
  }

  /** The changes after `revision`, oldest first; undefined when they are not all known any more. */
  changesSince(revision: number): readonly LoggedChange[] | undefined {
    if (revision < this.#windowFloor || revision > this.revision) return undefined;
    let low = 0;
    let high = this.#window.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#window[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#window.slice(low);
  }

  #remember({ kind, revision, address }: Change): void {
    if (kind !== 'update') this.#window.push({ revision, text: address.text, kind });
  }

  #trim(): void {
    const dropped = this.#window.splice(0, this.#window.length - CHANGE_WINDOW);
    this.#windowFloor = dropped.at(-1)?.revision ?? this.#windowFloor;
  }
}

/** `sorted` without what was touched, with `fresh` (sorted) where it belongs. */
function merge(
  sorted: readonly PublishedBan[],
  touched: ReadonlySet<string>,
  fresh: readonly PublishedBan[],
): PublishedBan[] {
  const merged: PublishedBan[] = [];
  let next = 0;
  for (const ban of sorted) {
    if (touched.has(ban.address.text)) continue;
    for (let other = fresh[next]; other && compareAddresses(other.address, ban.address) < 0; other = fresh[next]) {
      merged.push(other);
      next++;
    }
    merged.push(ban);
  }
  for (; next < fresh.length; next++) merged.push(fresh[next] as PublishedBan);
  return merged;
}
