// Plan: what to add, remove and leave out, by tables and by property.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Address, addressOf, networkOf } from '../../server/core/address.ts';
import { Blocklist } from '../../sync-client/blocklist.ts';
import { Guards, type Limits, refusalOf } from '../../sync-client/guards.ts';
import { changeTarget, type Nesting, planAll, planChange, targetOf } from '../../sync-client/plan.ts';

const listOf = (texts: Iterable<string>) => new Blocklist([...texts].map(addressOf));
const heldOf = (texts: readonly string[]) => new Map(texts.map((text) => [text, addressOf(text)]));
const textsOf = (addresses: readonly Address[]) => addresses.map(({ text }) => text).sort();
const guardsOf = (...texts: string[]) => new Guards(texts.map((text) => ({ address: addressOf(text), what: 'vital' })));

interface PlanCase {
  title: string;
  wanted: string[];
  held: string[];
  vital?: string[];
  nesting?: Nesting;
  add: string[];
  remove: string[];
  skipped?: string[];
}

const PLANS: PlanCase[] = [
  { title: 'nothing to do', wanted: ['198.18.0.1'], held: ['198.18.0.1'], add: [], remove: [] },
  {
    title: 'a first list',
    wanted: ['198.18.0.1', '2001:2::/64'],
    held: [],
    add: ['198.18.0.1', '2001:2::/64'],
    remove: [],
  },
  {
    title: 'an emptied list',
    wanted: [],
    held: ['198.18.0.1', '2001:2::1'],
    add: [],
    remove: ['198.18.0.1', '2001:2::1'],
  },
  {
    title: 'one comes, one goes',
    wanted: ['198.18.0.2'],
    held: ['198.18.0.1'],
    add: ['198.18.0.2'],
    remove: ['198.18.0.1'],
  },
  {
    title: 'an address in a network, where both can be held',
    wanted: ['198.18.0.0/24', '198.18.0.1', '198.18.0.128/25'],
    held: [],
    add: ['198.18.0.0/24', '198.18.0.1', '198.18.0.128/25'],
    remove: [],
  },
  {
    title: 'a network in a network, where they cannot be held together',
    nesting: 'outermost',
    wanted: ['198.18.0.0/24', '198.18.0.1', '198.18.0.128/25'],
    held: ['198.18.0.128/25'],
    add: ['198.18.0.0/24', '198.18.0.1'],
    remove: ['198.18.0.128/25'],
  },
  {
    title: 'an entry that is vital to the host',
    wanted: ['198.18.0.1', '198.18.0.2'],
    held: ['198.18.0.1'],
    vital: ['198.18.0.1'],
    add: ['198.18.0.2'],
    remove: ['198.18.0.1'],
    skipped: ['198.18.0.1'],
  },
  {
    title: 'a network with a vital address in it',
    wanted: ['198.18.0.0/24', '198.19.0.0/24', '2001:2::/32'],
    held: [],
    vital: ['198.18.0.77', '2001:2:5::/48'],
    add: ['198.19.0.0/24'],
    remove: [],
    skipped: ['198.18.0.0/24', '2001:2::/32'],
  },
  {
    title: 'entries in a vital network',
    wanted: ['198.18.0.1', '198.18.0.0/28', '2001:2::1', '198.18.1.0'],
    held: [],
    vital: ['198.18.0.0/24', '2001:2::/64'],
    add: ['198.18.1.0'],
    remove: [],
    skipped: ['198.18.0.0/28', '198.18.0.1', '2001:2::1'],
  },
  {
    title: 'what no host can do without, whatever the hub says',
    wanted: [
      '0.0.0.0/0',
      '127.0.0.1',
      '127.0.0.53',
      '169.254.169.254',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::/0',
      '::1',
      'fe80::1',
      'ff02::1',
    ],
    held: [],
    add: [],
    remove: [],
    skipped: [
      '0.0.0.0/0',
      '127.0.0.1',
      '127.0.0.53',
      '169.254.169.254',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::/0',
      '::1',
      'fe80::1',
      'ff02::1',
    ],
  },
];

describe('plan', () => {
  for (const { title, wanted, held, vital = [], nesting = 'kept', add, remove, skipped = [] } of PLANS) {
    it(title, () => {
      const made = targetOf(listOf(wanted), guardsOf(...vital));
      const plan = planAll(made.target, heldOf(held), nesting);
      assert.deepEqual(textsOf(plan.add), [...add].sort());
      assert.deepEqual(textsOf(plan.remove), [...remove].sort());
      assert.deepEqual(textsOf(made.skipped.map(({ address }) => address)), [...skipped].sort());
    });
  }

  it('says why an entry is left out', () => {
    const guards = new Guards([{ address: addressOf('198.18.0.1'), what: "this host's gateway" }]);
    assert.equal(guards.protecting(addressOf('198.18.0.0/30')), "this host's gateway (198.18.0.1)");
    assert.equal(guards.protecting(addressOf('198.18.0.1')), "this host's gateway (198.18.0.1)");
    assert.equal(guards.protecting(addressOf('198.18.0.2')), undefined);
  });
});

// Few addresses and short prefixes, so that entries meet, contain and repeat each other.
const anEntry = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    bits: fc.integer({ min: 0, max: 15 }),
    prefix: fc.integer({ min: 28, max: 32 }),
  })
  .map(({ family, bits, prefix }) => {
    if (family === 4) return networkOf(4, BigInt(0xc6120000 + bits) & ~((1n << BigInt(32 - prefix)) - 1n), prefix);
    const wide = prefix + 96;
    return networkOf(6, ((0x20010002n << 96n) + BigInt(bits)) & ~((1n << BigInt(128 - wide)) - 1n), wide);
  })
  .map(({ text }) => text);
const aList = fc.uniqueArray(anEntry, { maxLength: 25 });
const aNesting = fc.constantFrom<Nesting>('kept', 'outermost');

function carriedOut(held: ReadonlyMap<string, Address>, plan: { add: readonly Address[]; remove: readonly Address[] }) {
  const after = new Map(held);
  for (const { text } of plan.remove) assert.ok(after.delete(text), `${text} is removed though it is not held`);
  for (const address of plan.add) {
    assert.ok(!after.has(address.text), `${address.text} is added though it is held`);
    after.set(address.text, address);
  }
  return after;
}

describe('plan, for any lists', () => {
  it('carried out once, leaves nothing to do the second time', () => {
    fc.assert(
      fc.property(aList, aList, aList, aNesting, (wanted, held, vital, nesting) => {
        const { target } = targetOf(listOf(wanted), guardsOf(...vital.slice(0, 2)));
        const after = carriedOut(heldOf(held), planAll(target, heldOf(held), nesting));
        assert.deepEqual(planAll(target, after, nesting), { add: [], remove: [] });
      }),
    );
  });

  it('by changes, ends where a full comparison ends', () => {
    fc.assert(
      fc.property(aList, fc.array(aList, { maxLength: 4 }), aList, aNesting, (first, later, vital, nesting) => {
        const guards = guardsOf(...vital.slice(0, 2));
        const { target } = targetOf(listOf(first), guards);
        let held: ReadonlyMap<string, Address> = carriedOut(new Map(), planAll(target, new Map(), nesting));
        let now = first;
        for (const next of later) {
          const add = next.filter((text) => !now.includes(text)).map(addressOf);
          const remove = now.filter((text) => !next.includes(text)).map(addressOf);
          held = carriedOut(held, planChange(target, changeTarget(target, { add, remove }, guards), nesting));
          const { target: whole } = targetOf(listOf(next), guards);
          assert.deepEqual(planAll(whole, held, nesting), { add: [], remove: [] });
          assert.equal(target.size, whole.size);
          for (const family of [4, 6] as const) assert.equal(target.singles(family), whole.singles(family));
          now = next;
        }
      }),
    );
  });

  it('never adds what overlaps a vital address', () => {
    fc.assert(
      fc.property(aList, anEntry, (wanted, vital) => {
        const guards = guardsOf(vital);
        const { target } = targetOf(listOf(wanted), guards);
        const { first, prefix, family } = addressOf(vital);
        const width = family === 4 ? 32 : 128;
        for (const address of planAll(target, new Map(), 'kept').add) {
          if (address.family !== family) continue;
          const shorter = BigInt(width - Math.min(prefix, address.prefix));
          assert.notEqual(address.first >> shorter, first >> shorter, `${address.text} overlaps ${vital}`);
        }
      }),
    );
  });
});

describe('the guards against a strange list', () => {
  const limits: Limits = {
    maxEntries: 1000,
    maxShrinkPercent: 50,
    maxGrowthPercent: 200,
    freeShrink: 10,
    freeGrowth: 20,
  };
  const cases: [string, { before: number; added: number; removed: number }, RegExp | undefined][] = [
    ['a first list of any size', { before: 0, added: 1000, removed: 0 }, undefined],
    [
      'a first list over the maximum',
      { before: 0, added: 1001, removed: 0 },
      /1001 entries, more than BANHUB_MAX_ENTRIES=1000/,
    ],
    ['a short list that goes altogether', { before: 1, added: 0, removed: 1 }, undefined],
    ['as many as may always go', { before: 10, added: 0, removed: 10 }, undefined],
    ['one more', { before: 11, added: 0, removed: 11 }, /11 of 11 entries would go, more than BANHUB_MAX_SHRINK=50/],
    ['half of the list', { before: 100, added: 0, removed: 50 }, undefined],
    ['more than half', { before: 100, added: 0, removed: 51 }, /BANHUB_MAX_SHRINK/],
    ['more than half replaced by others', { before: 100, added: 51, removed: 51 }, /BANHUB_MAX_SHRINK/],
    ['as many as may always come', { before: 1, added: 20, removed: 0 }, undefined],
    ['three times as many', { before: 100, added: 200, removed: 0 }, undefined],
    [
      'still more',
      { before: 100, added: 201, removed: 0 },
      /201 entries would come to 100, more than BANHUB_MAX_GROWTH=200/,
    ],
  ];
  for (const [title, size, expected] of cases) {
    it(`${expected ? 'refuse' : 'let pass'} ${title}`, () => {
      const reason = refusalOf(size, limits);
      if (expected) assert.match(reason ?? 'not refused', expected);
      else assert.equal(reason, undefined);
    });
  }
});
