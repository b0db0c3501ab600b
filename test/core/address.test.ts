// Addresses: parsed once, strictly; one canonical text each; ordered and contained as numbers are.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import {
  addressOf,
  compareAddresses,
  contains,
  isSingle,
  lastOf,
  networkOf,
  overlaps,
  parseAddress,
  rangeOf,
  widen,
} from '../../server/core/address.ts';

const anyAddress = fc.oneof(
  fc
    .tuple(fc.bigInt(0n, 2n ** 32n - 1n), fc.integer({ min: 0, max: 32 }))
    .map(([first, prefix]) => widen(networkOf(4, first, 32), prefix)),
  fc
    .tuple(fc.bigInt(0n, 2n ** 128n - 1n), fc.integer({ min: 0, max: 128 }))
    .map(([first, prefix]) => widen(networkOf(6, first, 128), prefix)),
);

describe('An address', () => {
  const canonical: [string, string][] = [
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3.4/32', '1.2.3.4'],
    ['1.2.3.4/24', '1.2.3.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1/64', '2001:db8::/64'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['::', '::'],
    ['::/0', '::/0'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:102:304', '1.2.3.4'],
    ['::ffff:1.2.3.4/120', '1.2.3.0/24'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::1.2.3.4', '::102:304'],
  ];
  for (const [text, expected] of canonical) {
    it(`${text} is ${expected}`, () => assert.equal(addressOf(text).text, expected));
  }

  const wrong = [
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '256.1.1.1',
    '1.2.3.999',
    '01.2.3.4',
    '1.2.3.04',
    '0x1.2.3.4',
    '1.2.3.4/',
    '1.2.3.4/33',
    '1.2.3.4/-1',
    '1.2.3.4/08',
    '1.2.3.4/255.255.255.0',
    '1.2.3.4/24/24',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '1.2.3.4,5.6.7.8',
    '16909060',
    '0x01020304',
    'localhost',
    'a.b.c.d',
    '١.٢.٣.٤',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    ':::',
    '::g',
    '::12345',
    'fe80::1%eth0',
    '::1%',
    '[::1]',
    '::1/129',
    '::ffff:01.2.3.4',
    '::ffff:1.2.3',
    '::ffff:1.2.3.256',
    '::ffff:0x1.2.3.4',
    '1.2.3.4:80',
    '-',
    '/',
    '/24',
    '::/',
    `${'1'.repeat(60)}`,
  ];
  for (const text of wrong) {
    it(`${JSON.stringify(text)} is none, and the reason is told`, () => {
      const parsed = parseAddress(text);
      assert.ok(parsed.kind === 'invalid' && parsed.detail.length > 5, JSON.stringify(text));
    });
  }

  it('parsed from its own text is the same', () => {
    fc.assert(fc.property(anyAddress, (address) => assert.deepEqual(addressOf(address.text), address)));
  });

  it('agrees with ipaddr.js on what any text means', () => {
    const likely = fc.stringMatching(/^[0-9a-f:./]{1,20}$/);
    const quads = fc
      .array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 5 })
      .map((octets) => octets.join('.'));
    fc.assert(
      fc.property(fc.oneof(likely, quads, fc.ipV4(), fc.ipV6()), (text) => {
        const parsed = parseAddress(text);
        if (parsed.kind === 'invalid') {
          assert.equal(ipaddr.IPv4.isValidFourPartDecimal(text), false, text);
        } else if (isSingle(parsed.address) && !text.includes('/') && !text.startsWith('::')) {
          assert.equal(
            parsed.address.text,
            ipaddr
              .process(text)
              .toString()
              .replace(/^.*:.*$/, (v6) => addressOf(v6).text),
          );
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('is ordered by its range text as by number', () => {
    fc.assert(
      fc.property(anyAddress, anyAddress, (a, b) => {
        const byText = rangeOf(a).start < rangeOf(b).start ? -1 : rangeOf(a).start > rangeOf(b).start ? 1 : 0;
        if (byText !== 0) assert.equal(Math.sign(compareAddresses(a, b)), byText);
        const inside = rangeOf(a).start <= rangeOf(b).start && rangeOf(a).end >= rangeOf(b).end;
        assert.equal(contains(a, b), inside);
        assert.equal(overlaps(a, b), a.family === b.family && a.first <= lastOf(b) && b.first <= lastOf(a));
      }),
    );
  });

  it('widened contains what it was', () => {
    fc.assert(
      fc.property(anyAddress, fc.nat(128), (address, prefix) => {
        const wider = widen(address, Math.min(prefix, address.prefix));
        assert.ok(contains(wider, address));
      }),
    );
  });
});
