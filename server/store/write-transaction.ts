// Store: one transaction that may change the blocklist. It holds the revision row, so all of them have one order.
import { type Kysely, sql } from 'kysely';
import { type Address, addressOf, rangeOf } from '../core/address.ts';
import type { AddressState, AllowlistEntry, Change, Claim, Commit, Position } from '../core/words.ts';
import { chunks } from './chunks.ts';
import type { Engine } from './engine.ts';
import { banOf, claimOf, positionOf } from './rows.ts';
import { type StateChange, saveStates } from './save-states.ts';
import type { ReportRow, Tables } from './tables.ts';
import { touching } from './touching.ts';

/** A line of history. */
export interface HistoryEntry {
  readonly sourceId: number;
  readonly action: 'ban' | 'unban' | 'lift';
  readonly address: Address;
  readonly jail: string;
  readonly failures: number;
  readonly bannedAt: number | null;
  readonly endsAt: number | null;
  readonly restored: boolean;
  readonly outcome: string;
  readonly reason: string | null;
  readonly matches: string | null;
}

export class WriteTransaction {
  readonly #db: Kysely<Tables>;
  readonly #engine: Engine;
  readonly #now: number;
  readonly #start: Position;
  readonly #changes: Change[] = [];
  #listChanged = false;
  #hostsChanged = false;
  #allowlistChanged = false;

  private constructor(db: Kysely<Tables>, engine: Engine, now: number, start: Position) {
    this.#db = db;
    this.#engine = engine;
    this.#now = now;
    this.#start = start;
  }

  /** Takes the lock: the update waits for whoever writes before us; what is read after it is what they committed. */
  static async begin(db: Kysely<Tables>, engine: Engine, now: number): Promise<WriteTransaction> {
    await db.updateTable('revision').set({ log_position: sql`log_position + 1` }).execute();
    const row = await db.selectFrom('revision').selectAll().executeTakeFirstOrThrow();
    return new WriteTransaction(db, engine, now, positionOf(row));
  }

  /** For queries that need to be inside this transaction. Stays within `store/`. */
  get db(): Kysely<Tables> {
    return this.#db;
  }

  /** Now, the same for the whole transaction. */
  get now(): number {
    return this.#now;
  }

  /** The position after this transaction, as far as it has come. */
  get position(): Position {
    const start = this.#start;
    return {
      ...start,
      revision: start.revision + (this.#listChanged ? 1 : 0),
      // A clock that steps back must not make a newer list look older.
      changedAt: this.#listChanged ? Math.max(this.#now, start.changedAt) : start.changedAt,
      hostsVersion: start.hostsVersion + (this.#hostsChanged ? 1 : 0),
      allowlistVersion: start.allowlistVersion + (this.#allowlistChanged ? 1 : 0),
    };
  }

  /** What is known of each address; an empty state where nothing is. */
  async load(addresses: readonly Address[]): Promise<Map<string, AddressState>> {
    const states = new Map<string, { address: Address; ban: AddressState['ban']; claims: Claim[] }>();
    for (const address of addresses) states.set(address.text, { address, ban: undefined, claims: [] });
    for (const texts of chunks([...states.keys()])) {
      for (const row of await this.#db.selectFrom('bans').selectAll().where('address', 'in', texts).execute()) {
        const state = states.get(row.address);
        if (state) state.ban = banOf(row);
      }
      for (const row of await this.#db.selectFrom('claims').selectAll().where('address', 'in', texts).execute()) {
        states.get(row.address)?.claims.push(claimOf(row));
      }
    }
    return states;
  }

  /** Every known address that lies inside `network`, equals it, or contains it. */
  async touching(network: Address): Promise<Address[]> {
    const rows = await this.#db.selectFrom('bans').select('address').where(touching(network)).execute();
    return rows.map((row) => addressOf(row.address));
  }

  /** Remembers the settings that bans are judged by. With others than before, every ban is due to be judged anew. */
  async setRules(rules: string): Promise<void> {
    const { rules: before } = await this.#db.selectFrom('revision').select('rules').executeTakeFirstOrThrow();
    if (before === rules) return;
    await this.#db.updateTable('revision').set({ rules }).execute();
    await this.#db.updateTable('bans').set({ due_at: this.#now }).where('last_banned_at', '>', 0).execute();
  }

  /** Addresses with a claim that has ended and is still counted. */
  async due(limit: number): Promise<Address[]> {
    const query = this.#db.selectFrom('bans').select('address').where('due_at', '<=', this.#now);
    return (await query.orderBy('due_at').limit(limit).execute()).map((row) => addressOf(row.address));
  }

  /** Writes what differs, and logs what it means for the blocklist. */
  async save(states: readonly StateChange[]): Promise<void> {
    await saveStates(this.#db, this.#engine, states);
    await this.#log(states);
  }

  async record(entries: readonly HistoryEntry[]): Promise<void> {
    const { revision } = this.position;
    for (const chunk of chunks(entries)) {
      const rows: ReportRow[] = chunk.map((entry) => ({
        received_at: this.#now,
        source_id: entry.sourceId,
        action: entry.action,
        address: entry.address.text,
        jail: entry.jail,
        failures: entry.failures,
        banned_at: entry.bannedAt,
        ends_at: entry.endsAt,
        restored: entry.restored ? 1 : 0,
        outcome: entry.outcome,
        reason: entry.reason,
        matches: entry.matches,
        revision,
      }));
      await this.#db.insertInto('reports').values(rows).execute();
    }
  }

  /** Keeps where a host speaks from. */
  async setHostAddress(hostId: number, address: Address): Promise<void> {
    const column = address.family === 4 ? 'last_ipv4' : 'last_ipv6';
    await this.#db
      .updateTable('hosts')
      .set({ [column]: address.text })
      .where('id', '=', hostId)
      .execute();
    this.#hostsChanged = true;
  }

  /** Other hubs will read hosts and tokens again. */
  touchHosts(): void {
    this.#hostsChanged = true;
  }

  /** Adds the entry, or replaces the one for the same address. */
  async allow(entry: AllowlistEntry): Promise<void> {
    await this.#db
      .insertInto('allowlist')
      .values({
        address: entry.address.text,
        range_start: rangeOf(entry.address).start,
        comment: entry.comment,
        added_by: entry.addedBy,
        added_at: entry.addedAt,
        ends_at: entry.endsAt,
      })
      .modifyEnd(this.#engine.overwrite(['address'], ['comment', 'added_by', 'added_at', 'ends_at']))
      .execute();
    this.#allowlistChanged = true;
  }

  /** Adds the entry, unless there is one for the same address that ends no sooner. */
  async allowUntil(entry: AllowlistEntry & { readonly endsAt: number }): Promise<void> {
    const known = await this.#db
      .selectFrom('allowlist')
      .select('ends_at')
      .where('address', '=', entry.address.text)
      .executeTakeFirst();
    if (!known || (known.ends_at !== null && known.ends_at < entry.endsAt)) await this.allow(entry);
  }

  /** Removes the entry for exactly this address; false when there is none. */
  async disallow(address: Address): Promise<boolean> {
    const result = await this.#db.deleteFrom('allowlist').where('address', '=', address.text).executeTakeFirst();
    if (result.numDeletedRows === 0n) return false;
    this.#allowlistChanged = true;
    return true;
  }

  /** Removes the allowlist entries that have ended, and returns what they were for. */
  async expireAllowlist(): Promise<Address[]> {
    const ended = await this.#db.selectFrom('allowlist').select('address').where('ends_at', '<=', this.#now).execute();
    if (ended.length === 0) return [];
    await this.#db.deleteFrom('allowlist').where('ends_at', '<=', this.#now).execute();
    this.#allowlistChanged = true;
    return ended.map((row) => addressOf(row.address));
  }

  /** Writes the revision row; called once, last. */
  async finish(): Promise<Commit> {
    const position = this.position;
    if (this.#listChanged || this.#hostsChanged || this.#allowlistChanged) {
      await this.#db
        .updateTable('revision')
        .set({
          revision: position.revision,
          changed_at: position.changedAt,
          hosts_version: position.hostsVersion,
          allowlist_version: position.allowlistVersion,
        })
        .execute();
    }
    return { position, changes: this.#changes };
  }

  async #log(states: readonly StateChange[]): Promise<void> {
    const logged = states.flatMap(({ after, kind }) => (kind ? [{ after, kind }] : []));
    if (logged.some(({ kind }) => kind !== 'update')) this.#listChanged = true;
    const { revision, logPosition } = this.position;
    for (const chunk of chunks(logged)) {
      await this.#db
        .insertInto('changes')
        .values(
          chunk.map(({ after, kind }) => ({
            log_position: logPosition,
            address: after.address.text,
            kind,
            revision,
          })),
        )
        .execute();
    }
    for (const { after, kind } of logged) {
      this.#changes.push({ address: after.address, kind, revision, ban: after.ban });
    }
  }
}
