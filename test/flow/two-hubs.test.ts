// Stories: two hubs on one MariaDB are one hub to everybody.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressOf } from '../../server/core/address.ts';
import type { Ban } from '../../server/core/words.ts';
import { newMariaDb } from '../support/engines.ts';
import { TestHub } from '../support/hub.ts';
import { until } from '../support/until.ts';

interface Step {
  action: 'ban' | 'unban';
  ip: string;
}

type Changes = { revision: number; add: string[]; remove: string[]; reset?: true };

/** Follows `changes` from revision 0, as a sync client does, and keeps the set it has at each revision. */
class Consumer {
  readonly set = new Set<string>();
  readonly seen = new Map<number, string>([[0, '']]);
  revision = 0;
  readonly #hub: TestHub;
  readonly #token: string;

  constructor(hub: TestHub, token: string) {
    this.#hub = hub;
    this.#token = token;
  }

  async pull(): Promise<void> {
    const path = `/api/v1/blocklist/changes?since=${this.revision}`;
    const { body } = await this.#hub.request<Changes>(this.#token, path);
    assert.equal(body.reset, undefined, 'nothing was forgotten yet');
    for (const text of body.remove) assert.ok(this.set.delete(text), `${text} was to be removed and is not there`);
    for (const text of body.add) {
      assert.ok(!this.set.has(text), `${text} was to be added and is there`);
      this.set.add(text);
    }
    this.revision = body.revision;
    this.seen.set(body.revision, [...this.set].sort().join(' '));
  }
}

const UNPUBLISHED: Ban = {
  published: false,
  publishedAt: null,
  endsAt: null,
  hosts: 1,
  jails: [],
  lastBannedAt: 0,
  liftedAt: null,
  dueAt: null,
};

describe('Two hubs on one MariaDB', () => {
  let hubs: [TestHub, TestHub];
  let tokens: string[];

  beforeEach(async () => {
    const database = await newMariaDb();
    const settings = { BANHUB_RATE_LIMIT: '0' };
    hubs = [await TestHub.start({ database, settings }), await TestHub.start({ database, settings })];
    tokens = [];
    for (let i = 0; i < 4; i++) tokens.push(await hubs[0].addHost(`host${i}`));
  });
  afterEach(async () => {
    for (const hub of hubs) await hub.close();
  });

  it('publish on one what was reported to the other, within two seconds', async () => {
    const [here, there] = hubs;
    await here.ban(tokens[0]!, '198.18.0.7');
    await until(async () => (await there.list(tokens[1]!)).includes('198.18.0.7'), {
      what: 'the ban is there',
      seconds: 2,
    });
    await there.unban(tokens[0]!, '198.18.0.7');
    await until(async () => (await here.list(tokens[1]!)).length === 0, { what: 'the unban is here', seconds: 2 });
  });

  it('hold to an allowlist entry that the other was given a moment ago', async () => {
    const admin = await hubs[0].addHost('desk', 'admin');
    await hubs[0].sendJson(admin, 'POST', '/api/v1/allowlist', { address: '198.18.0.0/24' });
    assert.equal((await hubs[1].ban(tokens[0]!, '198.18.0.7')).reason, 'allowlisted');
  });

  it('reach a quorum together', async () => {
    for (const hub of hubs) await hub.close();
    const database = await newMariaDb();
    const settings = { BANHUB_QUORUM: '2' };
    hubs = [await TestHub.start({ database, settings }), await TestHub.start({ database, settings })];
    const [alpha, beta] = [await hubs[0].addHost('alpha'), await hubs[0].addHost('beta')];
    const addresses = Array.from({ length: 30 }, (_, i) => `198.18.0.${i}`);
    await Promise.all(addresses.flatMap((ip) => [hubs[0].ban(alpha, ip), hubs[1].ban(beta, ip)]));
    for (const hub of hubs) {
      await until(async () => (await hub.list(alpha)).length === 30, { what: 'all 30 are published', seconds: 2 });
    }
  });

  it('agree again after one was cut off for longer than the log reaches back', async () => {
    const [here, there] = hubs;
    const token = tokens[0]!;
    await here.ban(token, '198.18.0.1');
    await until(async () => (await there.list(token)).length === 1, {
      what: 'the other has the first ban',
      seconds: 2,
    });
    // All of it in one commit's reach of the other hub: bans, an unban, and a log that forgets them.
    await here.store.write(async (tx) => {
      await tx.save(
        [
          { text: '198.18.0.1', kind: 'remove' as const },
          { text: '198.18.0.2', kind: 'add' as const },
        ].map(({ text, kind }) => {
          const address = addressOf(text);
          const published = { ...UNPUBLISHED, published: kind === 'add' };
          return {
            before: { address, ban: undefined, claims: [] },
            after: { address, ban: published, claims: [] },
            kind,
          };
        }),
      );
      await here.store.log.prune(tx, tx.position.revision);
    });
    for (const hub of hubs) {
      await until(async () => (await hub.list(token)).join() === '198.18.0.2', {
        what: 'both have the new list',
        seconds: 3,
      });
      const { body } = await hub.request<{ reset?: true }>(token, '/api/v1/blocklist/changes?since=1');
      assert.equal(body.reset, true, 'consumers are told to fetch the whole list');
    }
  });

  it('make exactly the expected list of 10,000 reports sent to both at once, and any consumer ends with it', async function () {
    this.timeout(120_000);
    const LANES = 20;
    const lane = fc.array(
      fc.record<Step>({
        action: fc.constantFrom('ban', 'ban', 'unban'),
        ip: fc.oneof(
          fc.integer({ min: 0, max: 249 }).map((last) => `198.18.7.${last}`),
          fc.integer({ min: 0, max: 99 }).map((last) => `2001:2::${(last + 1).toString(16)}`),
          fc.integer({ min: 0, max: 49 }).map((third) => `198.19.${third}.0/24`),
        ),
      }),
      { minLength: 500, maxLength: 500 },
    );
    // One host and jail a lane, so that the order within a key is known; all lanes and both hubs race.
    const lanes = fc.sample(lane, { numRuns: LANES, seed: 42 });
    const last = new Map<string, Step>();
    lanes.forEach((steps, i) => {
      for (const step of steps) last.set(`${i} ${step.ip}`, step);
    });
    const expected = new Set([...last.values()].filter(({ action }) => action === 'ban').map(({ ip }) => ip));

    const consumers = hubs.map((hub) => new Consumer(hub, tokens[0]!));
    let sending = true;
    const following = consumers.map(async (consumer) => {
      while (sending) await consumer.pull();
    });
    await Promise.all(
      lanes.map(async (steps, i) => {
        for (const [index, { action, ip }] of steps.entries()) {
          const hub = hubs[(i + index) % 2]!;
          await hub.report(tokens[i % 4]!, { action, ip, jail: `jail${Math.floor(i / 4)}` });
        }
      }),
    );
    sending = false;
    await Promise.all(following);
    const { revision } = await hubs[0].store.log.position();
    for (const consumer of consumers) {
      await until(
        async () => {
          await consumer.pull();
          return consumer.revision === revision;
        },
        { what: 'the consumer is at the last revision', seconds: 2 },
      );
    }

    const lists = await Promise.all(hubs.map((hub) => hub.list(tokens[0]!)));
    assert.deepEqual(new Set(lists[0]), expected);
    assert.deepEqual(lists[1], lists[0]);
    for (const consumer of consumers) assert.deepEqual(consumer.set, expected);
    const [one, other] = consumers as [Consumer, Consumer];
    const common = [...one.seen.keys()].filter((seen) => other.seen.has(seen));
    for (const seen of common) assert.equal(one.seen.get(seen), other.seen.get(seen), `revision ${seen}`);
    assert.ok(one.seen.size > 20, 'the consumers followed while the reports came in');

    const late = new Consumer(hubs[1], tokens[1]!);
    await late.pull();
    assert.deepEqual(late.set, expected);
  });
});
