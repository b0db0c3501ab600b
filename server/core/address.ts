// Words: an address or a network, parsed once at the edge. Text comes in, a value with one canonical text goes out.
import ipaddr from 'ipaddr.js';

/**
 * An IPv4 or IPv6 address (prefix 32 or 128) or network. Two addresses are equal exactly when their `text` is.
 * `text` is canonical: dotted quad, or RFC 5952; host bits cleared; no prefix for a single address.
 */
export interface Address {
  readonly family: 4 | 6;
  /** The first address of the network, as a number. */
  readonly first: bigint;
  readonly prefix: number;
  readonly text: string;
}

export type ParsedAddress = { kind: 'address'; address: Address } | { kind: 'invalid'; detail: string };

const WIDTH = { 4: 32, 6: 128 } as const;
const MAPPED_PREFIX = 0xffffn << 32n;

/**
 * Parses an address or a network as administrators and fail2ban write it (RFC 4291 section 2.2, RFC 4632). IPv4-mapped
 * IPv6 becomes IPv4. Everything else that is no plain address is `invalid`, with a reason fit to show: octal or
 * leading-zero octets, short forms (`1.2.3`), zone ids, netmasks, host names, surrounding white space.
 */
export function parseAddress(text: string): ParsedAddress {
  const quad = parseQuad(text);
  if (quad >= 0) return { kind: 'address', address: { family: 4, first: BigInt(quad), prefix: 32, text } };
  return parseAny(text);
}

/** For text that is known to be canonical, such as our own database's. Throws a TypeError on anything else. */
export function addressOf(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed.kind === 'invalid') throw new TypeError(`${JSON.stringify(text)}: ${parsed.detail}`);
  return parsed.address;
}

export function isSingle(address: Address): boolean {
  return address.prefix === WIDTH[address.family];
}

/** The last address of the network, as a number. */
export function lastOf(address: Address): bigint {
  return address.first | hostMask(address.family, address.prefix);
}

export function contains(outer: Address, inner: Address): boolean {
  return (
    outer.family === inner.family &&
    outer.prefix <= inner.prefix &&
    (inner.first & ~hostMask(outer.family, outer.prefix)) === outer.first
  );
}

export function overlaps(a: Address, b: Address): boolean {
  return contains(a, b) || contains(b, a);
}

/** The network with this prefix that holds `address`. `prefix` must not be longer than the address's own. */
export function widen(address: Address, prefix: number): Address {
  return networkOf(address.family, address.first & ~hostMask(address.family, prefix), prefix);
}

/** Builds an address from its number; host bits must be clear. */
export function networkOf(family: 4 | 6, first: bigint, prefix: number): Address {
  const text = family === 4 ? quadText(Number(first)) : groupsText(first);
  return { family, first, prefix, text: prefix === WIDTH[family] ? text : `${text}/${prefix}` };
}

/** Order of every list we publish: IPv4 before IPv6, then by number, then the wider network first. */
export function compareAddresses(a: Address, b: Address): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.prefix - b.prefix;
}

/**
 * The first and last address as text of fixed width, so that a plain byte-wise comparison in any database orders
 * and contains as numbers do: the family digit, then 8 (IPv4) or 32 (IPv6) hexadecimal digits.
 */
export function rangeOf(address: Address): { start: string; end: string } {
  const digits = address.family === 4 ? 8 : 32;
  const key = (value: bigint) => `${address.family}${value.toString(16).padStart(digits, '0')}`;
  return { start: key(address.first), end: key(lastOf(address)) };
}

export function hostMask(family: 4 | 6, prefix: number): bigint {
  return (1n << BigInt(WIDTH[family] - prefix)) - 1n;
}

/**
 * The value of a canonical dotted quad, or -1 for any other text. Nearly every line of a list is one, and this is
 * some twenty times faster than the general way; what it turns down goes to ipaddr.js.
 */
function parseQuad(text: string): number {
  const length = text.length;
  if (length < 7 || length > 15) return -1;
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit === -2) {
      if (octet < 0 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = -1;
    } else if (digit >= 0 && digit <= 9) {
      if (octet === 0) return -1;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return -1;
    } else {
      return -1;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1;
}

function parseAny(text: string): ParsedAddress {
  if (text === '') return invalid('is empty');
  if (text.length > 49) return invalid('is too long for an address');
  if (text.trim() !== text) return invalid('has white space around it');
  if (text.includes('%')) return invalid('has a zone id, which means nothing on another host');
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const family = host.includes(':') ? 6 : 4;
  if (family === 4 && parseQuad(host) < 0) return invalid(whyNotQuad(host));
  const plain = family === 6 ? withoutQuadTail(host) : host;
  if (plain === undefined || !ipaddr.isValid(plain)) return invalid('is not an IP address');

  let prefix: number = WIDTH[family];
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(0|[1-9]\d{0,2})$/.test(digits)) return invalid('has a prefix that is not a plain number');
    prefix = Number(digits);
    if (prefix > WIDTH[family]) return invalid(`has a prefix over ${WIDTH[family]}`);
  }
  const value = ipaddr
    .parse(plain)
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (family === 6 && value >> 32n === MAPPED_PREFIX >> 32n && prefix >= 96) {
    const clear = value & 0xffffffffn & ~hostMask(4, prefix - 96);
    return { kind: 'address', address: networkOf(4, clear, prefix - 96) };
  }
  return { kind: 'address', address: networkOf(family, value & ~hostMask(family, prefix), prefix) };
}

/**
 * RFC 4291 section 2.2 allows an IPv4 tail (`64:ff9b::1.2.3.4`). It is turned into two groups here, because ipaddr.js
 * accepts octal octets in it and takes the deprecated `::1.2.3.4` for the mapped `::ffff:1.2.3.4`.
 */
function withoutQuadTail(host: string): string | undefined {
  if (!host.includes('.')) return host;
  const start = host.lastIndexOf(':') + 1;
  const quad = parseQuad(host.slice(start));
  return quad < 0 ? undefined : `${host.slice(0, start)}${(quad >>> 16).toString(16)}:${(quad & 0xffff).toString(16)}`;
}

function whyNotQuad(host: string): string {
  if (!/^[0-9.]+$/.test(host)) return 'is not an IP address';
  const octets = host.split('.');
  if (octets.length !== 4 || octets.includes('')) return 'is not an IP address: four numbers are needed';
  if (octets.some((octet) => octet.length > 1 && octet.startsWith('0'))) {
    return 'has an octet with a leading zero, which programs read differently';
  }
  return 'has an octet over 255';
}

function invalid(detail: string): ParsedAddress {
  return { kind: 'invalid', detail };
}

function quadText(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** RFC 5952 text of a 128-bit number, by ipaddr.js. */
function groupsText(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  return new ipaddr.IPv6(groups).toRFC5952String();
}
