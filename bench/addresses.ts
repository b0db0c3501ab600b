// Bench: as many different addresses as needed, scattered like real ones, always the same for the same index.

/** 32.0.0.0/3: no special range lies in it. */
const FIRST = 0x2000_0000;
const SIZE = 0x2000_0000;
/** Odd, so that multiplication modulo a power of two gives each address once. */
const STRIDE = 2_654_435_761;

/** A public IPv4 address; different for each index below 500 million. */
export function addressAt(index: number): string {
  const value = FIRST + Number((BigInt(index) * BigInt(STRIDE)) % BigInt(SIZE));
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

export function addressesFrom(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => addressAt(first + index));
}
