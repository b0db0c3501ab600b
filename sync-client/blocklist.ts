// Sync client, the list in memory: what the hub wants blocked, by canonical text. Text and JSON come in, checked entries go out.
import { type Address, compareAddresses, parseAddress } from '../server/core/address.ts';

export type ParsedBlocklist = { kind: 'blocklist'; list: Blocklist } | { kind: 'invalid'; detail: string };

/**
 * Entries, each once, in the order they came. The look-up by text is made when it is first asked for: a list of 100,000
 * that is only read through and enforced is ready in half the time.
 */
export class Blocklist {
  #addresses: readonly Address[];
  #byText: Map<string, Address> | undefined;
  #text: string | undefined;

  /** No entry may be there twice. `text`: the same entries as lines, where they are at hand. */
  constructor(addresses: readonly Address[], text?: string) {
    this.#addresses = addresses;
    this.#text = text;
  }

  get size(): number {
    return this.#byText?.size ?? this.#addresses.length;
  }

  all(): readonly Address[] {
    return this.#byText ? [...this.#byText.values()] : this.#addresses;
  }

  /** One entry per line, each line ended by LF. */
  toText(): string {
    this.#text ??= this.all()
      .map(({ text }) => `${text}\n`)
      .join('');
    return this.#text;
  }

  has(text: string): boolean {
    return this.#index().has(text);
  }

  /** False when it was there already. */
  add(address: Address): boolean {
    const before = this.size;
    this.#text = undefined;
    return this.#index().set(address.text, address).size > before;
  }

  /** False when it was not there. */
  delete(text: string): boolean {
    this.#text = undefined;
    return this.#index().delete(text);
  }

  #index(): Map<string, Address> {
    if (!this.#byText) {
      this.#byText = new Map();
      for (const address of this.#addresses) this.#byText.set(address.text, address);
      this.#addresses = [];
    }
    return this.#byText;
  }
}

const LONGEST_SHOWN = 60;

/**
 * Reads one canonical address or network per line, each line ended by LF. Everything else is `invalid`: a host name, a
 * comment, a blank line, a carriage return, an entry given twice, a last line that was cut off. So no text from the
 * network reaches a command unless our own printer would have written it the same way.
 */
export function parseBlocklist(text: string): ParsedBlocklist {
  const addresses: Address[] = [];
  let sorted = true;
  let last: Address | undefined;
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    if (end < 0) return invalid(`line ${addresses.length + 1} is cut off: it has no line end`);
    const entry = text.slice(start, end);
    const address = canonicalAddress(entry);
    if (!address) return invalid(`line ${addresses.length + 1} is no address in canonical form: ${shown(entry)}`);
    sorted &&= last === undefined || compareAddresses(last, address) < 0;
    addresses.push(address);
    last = address;
    start = end + 1;
  }
  // Strictly ascending, as the hub sends it, nothing can be there twice; otherwise that takes a longer look.
  const twice = sorted ? undefined : firstTwice(addresses);
  return twice ? invalid(`${twice.text} is there twice`) : { kind: 'blocklist', list: new Blocklist(addresses, text) };
}

function firstTwice(addresses: readonly Address[]): Address | undefined {
  const seen = new Set<string>();
  return addresses.find(({ text }) => seen.size === seen.add(text).size);
}

/** The address if `text` is exactly its canonical text, else undefined. */
export function canonicalAddress(text: string): Address | undefined {
  const parsed = parseAddress(text);
  return parsed.kind === 'address' && parsed.address.text === text ? parsed.address : undefined;
}

/**
 * What a kernel or a program prints of its own entries, by canonical text. Their text may differ from ours (`::1.2.3.4`),
 * so it is parsed, not compared. Words that are no address are handed back.
 */
export function readAddresses(words: Iterable<string>): { entries: Map<string, Address>; foreign: string[] } {
  const entries = new Map<string, Address>();
  const foreign: string[] = [];
  for (const word of words) {
    const parsed = parseAddress(word);
    if (parsed.kind === 'address') entries.set(parsed.address.text, parsed.address);
    else foreign.push(word);
  }
  return { entries, foreign };
}

/** Text from elsewhere made fit for a log line: quoted, escaped, cut. */
export function shown(text: string): string {
  return JSON.stringify(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text);
}

function invalid(detail: string): ParsedBlocklist {
  return { kind: 'invalid', detail };
}
