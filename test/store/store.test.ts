// The contract of the store, the same for every engine.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { sql } from 'kysely';
import { addressOf } from '../../server/core/address.ts';
import type { Ban, Claim } from '../../server/core/words.ts';
import { Store } from '../../server/store/store.ts';
import type { WriteTransaction } from '../../server/store/write-transaction.ts';
import { onBothEngines } from '../support/engines.ts';
import { ROOT } from '../support/hub.ts';

const NOW = Date.UTC(2026, 0, 1);
const address = addressOf('198.18.0.7');
const claim: Claim = { sourceId: 1, jail: 'sshd', bannedAt: NOW, endsAt: NOW + 600_000, failures: 5 };
const ban: Ban = {
  published: true,
  publishedAt: NOW,
  endsAt: NOW + 600_000,
  hosts: 1,
  jails: ['opensips', 'sshd'],
  lastBannedAt: NOW,
  liftedAt: null,
  dueAt: NOW + 600_000,
};

onBothEngines('The store', (newDatabase) => {
  let store: Store;
  let url: string;
  const open = () => new Store({ url, sqlFolder: join(ROOT, 'sql'), clock: () => NOW });
  const nothing = { address, ban: undefined, claims: [] };
  const publish = (tx: WriteTransaction) =>
    tx.save([{ before: nothing, after: { address, ban, claims: [claim] }, kind: 'add' }]);

  beforeEach(async () => {
    url = await newDatabase();
    store = open();
    await store.migrate();
  });
  afterEach(() => store.close());

  it('migrates once, and then has nothing to do', async () => {
    assert.deepEqual(await store.migrate(), []);
    const other = open();
    assert.deepEqual(await other.migrate(), []);
    await other.close();
  });

  it('lets several processes migrate an empty database at once', async () => {
    url = await newDatabase();
    const stores = [open(), open(), open()];
    const applied = await Promise.all(stores.map((one) => one.migrate()));
    assert.deepEqual(applied.flat(), ['001_spine']);
    for (const one of stores) await one.close();
  });

  it('gives back every field of a ban and its claims', async () => {
    await store.write(publish);
    const { result } = await store.write((tx) => tx.load([address]));
    assert.deepEqual(result.get(address.text), { address, ban, claims: [claim] });
  });

  it('does nothing of a transaction that fails', async () => {
    const failing = store.write(async (tx) => {
      await publish(tx);
      throw new Error('on purpose');
    });
    await assert.rejects(failing, /on purpose/);
    assert.equal((await store.log.position()).revision, 0);
    assert.equal(await store.bans.find(address), undefined);
  });

  it('says what failed, though the rollback fails too', async () => {
    const failing = store.write(async (tx) => {
      await sql`ROLLBACK`.execute(tx.db);
      throw new Error('the disk is full');
    });
    await assert.rejects(failing, /the disk is full/);
  });

  it('numbers changes in the order of their commits, with many writers at once', async () => {
    const other = open();
    const seen: number[] = [];
    const one = async (writer: Store, i: number) => {
      const target = addressOf(`198.18.1.${i}`);
      const { commit } = await writer.write(async (tx) => {
        const before = { address: target, ban: undefined, claims: [] };
        await tx.save([{ before, after: { address: target, ban, claims: [claim] }, kind: 'add' }]);
      });
      seen.push(commit.position.revision);
    };
    await Promise.all(Array.from({ length: 40 }, (_, i) => one(i % 2 ? store : other, i)));
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    const { changes } = await store.log.since(0);
    assert.deepEqual(
      changes.map(({ revision }) => revision),
      seen,
    );
    await other.close();
  });

  it('moves the revision for what is listed, and only the log for what is not', async () => {
    const { commit } = await store.write(publish);
    assert.equal(commit.position.revision, 1);
    const updated = { ...ban, hosts: 2 };
    const update = await store.write((tx) =>
      tx.save([
        {
          before: { address, ban, claims: [claim] },
          after: { address, ban: updated, claims: [claim] },
          kind: 'update',
        },
      ]),
    );
    assert.equal(update.commit.position.revision, 1);
    assert.equal(update.commit.position.logPosition, 2);
    assert.deepEqual((await store.log.since(1)).changes, [{ address, kind: 'update', revision: 1, ban: updated }]);
  });

  it('loads the list, in the order of lists, together with the log', async () => {
    const texts = [
      '198.18.0.0/16',
      '198.18.0.0/24',
      '198.18.0.0',
      '198.18.0.9',
      '198.18.0.10',
      '2001:2::9',
      '2001:2::10',
    ];
    await store.write((tx) =>
      tx.save(
        texts.toReversed().map((text) => {
          const target = addressOf(text);
          const before = { address: target, ban: undefined, claims: [] };
          return { before, after: { address: target, ban, claims: [claim] }, kind: 'add' as const };
        }),
      ),
    );
    const loaded: string[] = [];
    const { position, changes } = await store.log.loadAll(3, (published) => loaded.push(published.address.text));
    assert.deepEqual(loaded, texts);
    assert.equal(position.revision, 1);
    assert.equal(changes.length, 3);
  });

  it('finds what an address touches: what contains it, and what lies inside', async () => {
    const texts = ['198.18.0.0/16', '198.18.0.0/24', '198.18.0.7', '198.18.1.0/24', '2001:2::7'];
    await store.write((tx) =>
      tx.save(
        texts.map((text) => {
          const target = addressOf(text);
          const before = { address: target, ban: undefined, claims: [] };
          return { before, after: { address: target, ban, claims: [claim] }, kind: 'add' as const };
        }),
      ),
    );
    const touching = async (text: string) =>
      (await store.write((tx) => tx.touching(addressOf(text)))).result.map((found) => found.text).sort();
    assert.deepEqual(await touching('198.18.0.7'), ['198.18.0.0/16', '198.18.0.0/24', '198.18.0.7']);
    assert.deepEqual(await touching('198.18.0.0/24'), ['198.18.0.0/16', '198.18.0.0/24', '198.18.0.7']);
    assert.deepEqual(await touching('198.18.0.0/15'), [
      '198.18.0.0/16',
      '198.18.0.0/24',
      '198.18.0.7',
      '198.18.1.0/24',
    ]);
    assert.deepEqual(await touching('2001:2::/48'), ['2001:2::7']);
  });

  it('keeps hosts and hashes of tokens, never a token', async () => {
    const tokenHash = 'a'.repeat(64);
    const { commit } = await store.write((tx) =>
      store.fleet.enrol(tx, { name: 'web1', tokenHash, scopes: ['report', 'pull'] }),
    );
    assert.equal(commit.position.hostsVersion, 1);
    const [credential] = await store.fleet.credentials();
    assert.equal(credential?.hash, tokenHash);
    assert.equal(credential.host.name, 'web1');
    assert.deepEqual(credential.scopes, ['report', 'pull']);
    const { id } = credential.host;
    await store.write((tx) => tx.setHostAddress(id, addressOf('45.1.2.3')));
    await store.write((tx) => tx.setHostAddress(id, addressOf('2a00::3')));
    const host = await store.fleet.host('web1');
    assert.equal(host?.lastIpv4?.text, '45.1.2.3');
    assert.equal(host?.lastIpv6?.text, '2a00::3');
    await store.write((tx) => store.fleet.revoke(tx, id));
    assert.deepEqual(await store.fleet.credentials(), []);
    assert.deepEqual(await store.fleet.activeHosts(), []);
    assert.equal((await store.fleet.host('web1'))?.revokedAt, NOW);
  });

  it('tells names apart by case, and keeps any text as it is', async () => {
    const odd = { ...claim, jail: 'SSHD grüße 😀' };
    const after = { address, ban: { ...ban, jails: [odd.jail, 'sshd'] }, claims: [odd, claim] };
    await store.write((tx) => tx.save([{ before: nothing, after, kind: 'add' }]));
    const { result } = await store.write((tx) => tx.load([address]));
    assert.deepEqual(
      result
        .get(address.text)
        ?.claims.map(({ jail }) => jail)
        .sort(),
      [odd.jail, 'sshd'],
    );
    assert.deepEqual(result.get(address.text)?.ban?.jails, after.ban.jails);
  });

  it('searches by page to the end, without one missing or twice', async () => {
    await store.write((tx) =>
      tx.save(
        Array.from({ length: 25 }, (_, i) => {
          const target = addressOf(`198.18.2.${i}`);
          const before = { address: target, ban: undefined, claims: [] };
          const after = { address: target, ban: { ...ban, lastBannedAt: NOW + (i % 3) }, claims: [claim] };
          return { before, after, kind: 'add' as const };
        }),
      ),
    );
    const found: string[] = [];
    for (let after: { lastBannedAt: number; address: string } | undefined, page = 0; page < 10; page++) {
      const bans = await store.bans.search({ limit: 10, after });
      found.push(...bans.map((one) => one.address.text));
      const last = bans.at(-1);
      if (!last) break;
      after = { lastBannedAt: last.ban.lastBannedAt, address: last.address.text };
    }
    assert.equal(found.length, 25);
    assert.equal(new Set(found).size, 25);
  });

  it('forgets old history in steps, and never what still counts', async () => {
    const entry = {
      sourceId: 1,
      action: 'ban' as const,
      address,
      jail: 'sshd',
      failures: 5,
      bannedAt: NOW,
      endsAt: null,
    };
    const line = { ...entry, restored: false, outcome: 'banned', reason: null, matches: 'a line' };
    await store.write(async (tx) => {
      await publish(tx);
      await tx.record(Array.from({ length: 5 }, () => line));
    });
    assert.equal((await store.write((tx) => store.bans.prune(tx, NOW, 2))).result, false);
    assert.equal((await store.write((tx) => store.bans.prune(tx, NOW + 1, 2))).result, true);
    assert.equal((await store.bans.history(address, 10)).length, 3);
    assert.ok(await store.bans.find(address));
  });

  it('forgets old changes, and remembers how far', async () => {
    await store.write(publish);
    await store.write((tx) =>
      tx.save([
        { before: { address, ban, claims: [claim] }, after: { address, ban: undefined, claims: [] }, kind: 'remove' },
      ]),
    );
    assert.equal(await store.log.revisionBefore(1), 1);
    await store.write((tx) => store.log.prune(tx, 1));
    assert.equal((await store.log.position()).changesFloor, 1);
    assert.deepEqual(
      (await store.log.since(0)).changes.map(({ revision }) => revision),
      [2],
    );
  });
});
