// Publish: keeps the list in memory at the head of the change log, whoever wrote to it: this hub, another, a command.
import type { Logger } from 'pino';
import type { Commit, Position, PublishedBan } from '../core/words.ts';
import type { LogQueries } from '../store/log-queries.ts';
import { type Blocklist, CHANGE_WINDOW } from './blocklist.ts';

/** How long another hub's commit may go unseen, in milliseconds. */
const POLL_INTERVAL = 200;
const POLL_INTERVAL_WHEN_AWAY = 2_000;

export interface FollowerOptions {
  readonly log: LogQueries;
  readonly blocklist: Blocklist;
  readonly logger: Logger;
  /** Told of each position that is reached. */
  readonly moved: (position: Position) => Promise<void>;
}

export class Follower {
  readonly #options: FollowerOptions;
  #turn: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #away = false;
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Whether the database answered when last asked. */
  get isCurrent(): boolean {
    return !this.#away;
  }

  /**
   * Takes over a commit of this hub without asking the database, if nothing of another lies before it. Never rejects: it
   * is committed, and what could not be read now is read when the database answers again.
   */
  take(commit: Commit): Promise<void> {
    const { blocklist, logger } = this.#options;
    const taken = this.#next(async () => {
      const ahead = commit.position.logPosition - blocklist.position.logPosition;
      if (ahead === 1) await this.#apply(commit);
      else if (ahead > 1) await this.#readLog();
    });
    return taken.catch((error) => logger.warn({ err: error }, 'committed, but not yet published'));
  }

  /** Reads the whole list. @throws AppError `unavailable` */
  load(): Promise<void> {
    return this.#next(() => this.#readAll());
  }

  /** Reads what is new in the log. @throws AppError `unavailable` */
  follow(): Promise<void> {
    return this.#next(() => this.#readLog());
  }

  /** Follows by itself from now on. */
  start(): void {
    this.#schedule(POLL_INTERVAL);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  #schedule(delay: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#poll(), delay);
  }

  async #poll(): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.follow();
      if (this.#away) logger.info('the database answers again');
      this.#away = false;
    } catch (error) {
      if (!this.#away) logger.error({ err: error }, 'cannot follow the change log; serving the last list');
      this.#away = true;
    }
    this.#schedule(this.#away ? POLL_INTERVAL_WHEN_AWAY : POLL_INTERVAL);
  }

  async #readLog(): Promise<void> {
    const { log, blocklist, logger } = this.#options;
    const commit = await log.since(blocklist.position.logPosition);
    const { changesFloor, logPosition } = commit.position;
    // Away for longer than the log reaches back, or the database was restored from a backup.
    if (changesFloor > blocklist.revision || logPosition < blocklist.position.logPosition) {
      logger.warn(
        { changesFloor, logPosition },
        'the log does not go on from where this hub is; reading the whole list',
      );
      return this.#readAll();
    }
    await this.#apply(commit);
  }

  async #readAll(): Promise<void> {
    const { log, blocklist, moved } = this.#options;
    const bans: PublishedBan[] = [];
    const start = await log.loadAll(CHANGE_WINDOW, (ban) => bans.push(ban));
    blocklist.load(bans, start);
    await moved(start.position);
  }

  async #apply(commit: Commit): Promise<void> {
    const { blocklist, logger, moved } = this.#options;
    if (commit.position.revision > blocklist.revision) {
      const count = (...kinds: string[]) => commit.changes.filter(({ kind }) => kinds.includes(kind)).length;
      logger.info(
        { revision: commit.position.revision, added: count('add'), removed: count('remove', 'lift') },
        'blocklist changed',
      );
    }
    blocklist.apply(commit);
    await moved(commit.position);
  }

  /** One at a time, in the order asked for. */
  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => {});
    return done;
  }
}
