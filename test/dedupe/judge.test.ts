// The rules of merging, as tables: claims in, ban out.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressOf } from '../../server/core/address.ts';
import { ADMINISTRATORS, type AddressState, type Claim } from '../../server/core/words.ts';
import { endClaim, lift, putClaim } from '../../server/dedupe/claims.ts';
import { judge, type Quorum } from '../../server/dedupe/judge.ts';

const NOW = 1_000_000;
const address = addressOf('198.18.0.7');
const [ALPHA, BETA, GAMMA] = [2, 3, 4];

function claim(sourceId: number, endsAt: number | null, jail = 'sshd', bannedAt = NOW - 100): Claim {
  return { sourceId, jail, bannedAt, endsAt, failures: 5 };
}

function judged(claims: Claim[], quorum: Partial<Quorum> = {}, against?: 'allowlisted', now = NOW) {
  const rules = { default: 1, byJail: new Map(), ...quorum };
  return judge({ address, ban: undefined, claims }, { now, quorum: rules, against }).ban;
}

describe('A ban', () => {
  it('is none without claims', () => assert.equal(judged([]), undefined));

  it('ends with the latest claim', () => {
    assert.equal(judged([claim(ALPHA, NOW + 5), claim(BETA, NOW + 9)])?.endsAt, NOW + 9);
    assert.equal(judged([claim(ALPHA, null), claim(BETA, NOW + 9)])?.endsAt, null);
  });

  it('is looked at again when the first claim ends', () => {
    assert.equal(judged([claim(ALPHA, NOW + 5), claim(BETA, NOW + 9), claim(GAMMA, null)])?.dueAt, NOW + 5);
    assert.equal(judged([claim(ALPHA, null)])?.dueAt, null);
  });

  it('does not stand on claims that have ended', () => {
    assert.equal(judged([claim(ALPHA, NOW)]), undefined);
    assert.equal(judged([claim(ALPHA, NOW + 1)])?.published, true);
  });

  it('counts hosts, not jails', () => {
    const ban = judged([claim(ALPHA, null, 'sshd'), claim(ALPHA, null, 'opensips'), claim(BETA, null, 'sshd')]);
    assert.equal(ban?.hosts, 2);
    assert.deepEqual(ban?.jails, ['opensips', 'sshd']);
  });

  it('waits for its quorum of different hosts', () => {
    assert.equal(judged([claim(ALPHA, null)], { default: 2 })?.published, false);
    assert.equal(
      judged([claim(ALPHA, null, 'sshd'), claim(ALPHA, null, 'opensips')], { default: 2 })?.published,
      false,
    );
    assert.equal(judged([claim(ALPHA, null), claim(BETA, null)], { default: 2 })?.published, true);
  });

  it('ends when its quorum does, not with its last claim', () => {
    const claims = [claim(ALPHA, NOW + 3), claim(BETA, NOW + 7), claim(GAMMA, NOW + 9)];
    assert.equal(judged(claims, { default: 1 })?.endsAt, NOW + 9);
    assert.equal(judged(claims, { default: 2 })?.endsAt, NOW + 7);
    assert.equal(judged(claims, { default: 3 })?.endsAt, NOW + 3);
  });

  it('follows the quorum of the jail that needs least', () => {
    const byJail = new Map([
      ['recidive', 1],
      ['sshd', 3],
    ]);
    assert.equal(
      judged([claim(ALPHA, null, 'sshd'), claim(BETA, null, 'sshd')], { default: 1, byJail })?.published,
      false,
    );
    assert.equal(
      judged([claim(ALPHA, null, 'sshd'), claim(BETA, null, 'recidive')], { default: 2, byJail })?.published,
      true,
    );
  });

  it('stands on an administrator alone, whatever the quorum', () => {
    const ban = judged([claim(ADMINISTRATORS, NOW + 5, 'by-hand')], { default: 3 });
    assert.equal(ban?.published, true);
    assert.equal(ban?.hosts, 0);
    assert.equal(ban?.endsAt, NOW + 5);
  });

  it('is kept but not published while something speaks against it', () => {
    const ban = judged([claim(ALPHA, NOW + 5)], {}, 'allowlisted');
    assert.equal(ban?.published, false);
    assert.equal(ban?.hosts, 1);
  });
});

describe('A claim', () => {
  const empty: AddressState = { address, ban: undefined, claims: [] };

  it('is refused when it has ended, or began before a lift', () => {
    assert.deepEqual(putClaim(empty, claim(ALPHA, NOW), NOW), { kind: 'refused', reason: 'expired' });
    const lifted = lift(empty, NOW - 50);
    assert.deepEqual(putClaim(lifted, claim(ALPHA, null, 'sshd', NOW - 50), NOW), {
      kind: 'refused',
      reason: 'lifted',
    });
    assert.equal(putClaim(lifted, claim(ALPHA, null, 'sshd', NOW - 49), NOW).kind, 'recorded');
  });

  it('ends alone', () => {
    const state = { ...empty, claims: [claim(ALPHA, null), claim(ALPHA, null, 'opensips'), claim(BETA, null)] };
    const step = endClaim(state, { sourceId: ALPHA, jail: 'sshd' }, null);
    assert.ok(step.kind === 'recorded');
    assert.deepEqual(step.state.claims, state.claims.slice(1));
    assert.equal(endClaim(state, { sourceId: GAMMA, jail: 'sshd' }, null).kind, 'unchanged');
  });

  const anyClaim = fc.record<Claim>(
    {
      sourceId: fc.constantFrom(ALPHA, BETA, GAMMA),
      jail: fc.constantFrom('sshd', 'opensips'),
      bannedAt: fc.integer({ min: NOW - 50, max: NOW }),
      endsAt: fc.oneof(fc.integer({ min: NOW + 1, max: NOW + 50 }), fc.constant(null)),
      failures: fc.constant(5),
    },
    { noNullPrototype: true },
  );
  const put = (state: AddressState, next: Claim) => {
    const step = putClaim(state, next, NOW);
    return step.kind === 'recorded' ? step.state : state;
  };
  const inOrder = (state: AddressState) =>
    [...state.claims].sort((a, b) => a.sourceId - b.sourceId || a.jail.localeCompare(b.jail));

  it('comes to the same in whatever order reports arrive, and however often', () => {
    fc.assert(
      fc.property(fc.array(anyClaim), fc.array(fc.nat()), (claims, shuffle) => {
        const once = claims.reduce(put, empty);
        const again = [...claims, ...claims]
          .map((next, index) => ({ next, key: shuffle[index % (shuffle.length || 1)] ?? index }))
          .sort((a, b) => a.key - b.key)
          .map(({ next }) => next)
          .reduce(put, empty);
        assert.deepEqual(inOrder(again), inOrder(once));
      }),
    );
  });

  it('judged twice is as judged once, and unchanged parts are the same objects', () => {
    fc.assert(
      fc.property(fc.array(anyClaim), fc.integer({ min: 1, max: 3 }), fc.nat(60), (claims, quorum, later) => {
        const rules = { now: NOW + later, quorum: { default: quorum, byJail: new Map() }, against: undefined };
        const once = judge(claims.reduce(put, empty), rules);
        const twice = judge(once, rules);
        assert.equal(twice.ban, once.ban);
        assert.equal(twice.claims, once.claims);
      }),
    );
  });

  it('keeps a ban published exactly until the end that it was judged to have', () => {
    fc.assert(
      fc.property(
        fc.array(anyClaim, { minLength: 1 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(60),
        (claims, needed, later) => {
          const quorum = { default: needed, byJail: new Map() };
          const state = claims.reduce(put, empty);
          const first = judge(state, { now: NOW, quorum, against: undefined }).ban;
          const then = judge(state, { now: NOW + later, quorum, against: undefined }).ban;
          const expected = first?.published === true && (first.endsAt === null || NOW + later < first.endsAt);
          assert.equal(then?.published === true, expected);
        },
      ),
    );
  });
});
