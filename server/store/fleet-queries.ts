// Store: hosts, their tokens, and the allowlist.
import type { Kysely } from 'kysely';
import { addressOf } from '../core/address.ts';
import type { AllowlistEntry, Credential, Host, Scope } from '../core/words.ts';
import type { Read } from './read.ts';
import { addressOrNull } from './rows.ts';
import type { Tables } from './tables.ts';
import type { WriteTransaction } from './write-transaction.ts';

export class FleetQueries {
  readonly #read: Read;

  constructor(read: Read) {
    this.#read = read;
  }

  /** Every host, revoked ones included, by name. */
  hosts(): Promise<Host[]> {
    return this.#read(async (db) => (await selectHosts(db).orderBy('sources.name').execute()).map(hostOf));
  }

  /** Hosts that are not revoked. */
  activeHosts(within?: WriteTransaction): Promise<Host[]> {
    return this.#query(within, async (db) =>
      (await selectHosts(db).where('hosts.revoked_at', 'is', null).execute()).map(hostOf),
    );
  }

  host(name: string): Promise<Host | undefined> {
    return this.#read(async (db) => {
      const row = await selectHosts(db).where('sources.name', '=', name).executeTakeFirst();
      return row && hostOf(row);
    });
  }

  /** Every token that is good: neither it nor its host is revoked. */
  credentials(): Promise<Credential[]> {
    return this.#read(async (db) => {
      const rows = await selectHosts(db)
        .innerJoin('tokens', 'tokens.host_id', 'hosts.id')
        .select(['tokens.hash', 'tokens.scopes'])
        .where('tokens.revoked_at', 'is', null)
        .where('hosts.revoked_at', 'is', null)
        .execute();
      return rows.map((row) => ({ hash: row.hash, host: hostOf(row), scopes: row.scopes.split(',') as Scope[] }));
    });
  }

  /** Entries that have not ended, by address. */
  allowlist(now: number, within?: WriteTransaction): Promise<AllowlistEntry[]> {
    return this.#query(within, async (db) => {
      const rows = await db
        .selectFrom('allowlist')
        .selectAll()
        .where((where) => where.or([where('ends_at', 'is', null), where('ends_at', '>', now)]))
        .orderBy('range_start')
        .execute();
      return rows.map((row) => ({
        address: addressOf(row.address),
        comment: row.comment,
        addedBy: row.added_by,
        addedAt: row.added_at,
        endsAt: row.ends_at,
      }));
    });
  }

  /** Adds a host with one token, or gives a revoked one a new token. The caller made sure that the name is free. */
  async enrol(
    tx: WriteTransaction,
    host: { name: string; tokenHash: string; scopes: readonly Scope[] },
  ): Promise<void> {
    const known = await selectHosts(tx.db).where('sources.name', '=', host.name).executeTakeFirst();
    let id = known?.id;
    if (id === undefined) {
      const source = await tx.db.insertInto('sources').values({ kind: 'host', name: host.name }).executeTakeFirst();
      id = Number(source.insertId);
      await tx.db.insertInto('hosts').values({ id, added_at: tx.now }).execute();
    } else {
      // Its addresses were not protected meanwhile: what it speaks from next is judged as new.
      const anew = { revoked_at: null, last_ipv4: null, last_ipv6: null };
      await tx.db.updateTable('hosts').set(anew).where('id', '=', id).execute();
    }
    await tx.db
      .insertInto('tokens')
      .values({ host_id: id, hash: host.tokenHash, scopes: host.scopes.join(','), created_at: tx.now })
      .execute();
    tx.touchHosts();
  }

  /** Revokes a host and all its tokens. Its claims stand until they end. */
  async revoke(tx: WriteTransaction, hostId: number): Promise<void> {
    const revoked = { revoked_at: tx.now };
    await tx.db.updateTable('hosts').set(revoked).where('id', '=', hostId).execute();
    await tx.db
      .updateTable('tokens')
      .set(revoked)
      .where('host_id', '=', hostId)
      .where('revoked_at', 'is', null)
      .execute();
    tx.touchHosts();
  }

  #query<Result>(
    within: WriteTransaction | undefined,
    query: (db: Kysely<Tables>) => Promise<Result>,
  ): Promise<Result> {
    return within ? query(within.db) : this.#read(query);
  }
}

interface HostRow {
  id: number;
  name: string;
  added_at: number;
  revoked_at: number | null;
  last_ipv4: string | null;
  last_ipv6: string | null;
}

function selectHosts(db: Kysely<Tables>) {
  return db
    .selectFrom('hosts')
    .innerJoin('sources', 'sources.id', 'hosts.id')
    .select(['hosts.id', 'sources.name', 'hosts.added_at', 'hosts.revoked_at', 'hosts.last_ipv4', 'hosts.last_ipv6']);
}

function hostOf(row: HostRow): Host {
  return {
    id: row.id,
    name: row.name,
    addedAt: row.added_at,
    revokedAt: row.revoked_at,
    lastIpv4: addressOrNull(row.last_ipv4),
    lastIpv6: addressOrNull(row.last_ipv6),
  };
}
