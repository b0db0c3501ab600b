// Sync client, state: the last good list and what happened last, on disk, so that a restart without the hub enforces it again.
import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address } from '../server/core/address.ts';
import { type Blocklist, canonicalAddress, parseBlocklist } from './blocklist.ts';
import { replaceFile } from './replace-file.ts';

/** The last list that was complete and passed the guards. */
export interface GoodList {
  /** Whose list it is: a revision and an ETag mean nothing to another hub. */
  readonly hub: string;
  readonly revision: number;
  /** Empty after changes: then it is no longer the ETag of this list. */
  readonly etag: string;
  readonly list: Blocklist;
}

/** What `status` shows. Times are ISO 8601. */
export interface Status {
  readonly revision?: number;
  readonly entries?: number;
  readonly pulledAt?: string;
  readonly enforcedAt?: string;
  readonly lastError?: { readonly at: string; readonly text: string };
  /** The hub's addresses as last seen: they stay reachable while its name cannot be looked up. */
  readonly hubAddresses?: readonly string[];
  /** Entries that are left out because this host needs them, as text. */
  readonly leftOut?: readonly string[];
  /** Enforcers that may hold something of ours, also those that are no longer configured. */
  readonly used?: readonly string[];
}

interface Change {
  readonly since: number;
  readonly revision: number;
  readonly add: readonly Address[];
  readonly remove: readonly Address[];
}

const MODE = 0o600;

/** Changes are appended to a journal, which is cheap; it is folded into the list when it is longer than this. */
const MOST_JOURNAL_ENTRIES = 20_000;

/**
 * The files of one state folder. A file that is damaged counts as none: the list carries its own digest, and a journal
 * ends at the first line that does not fit.
 */
export class StateFolder {
  readonly #folder: string;
  #journalEntries = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async create(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** The list with the journal's changes in it, or undefined. */
  async readList(): Promise<GoodList | undefined> {
    const text = await this.#readText('blocklist');
    const good = text === undefined ? undefined : parseGoodList(text);
    if (!good) return undefined;
    const { list, torn } = applyJournal(good, (await this.#readText('blocklist.changes')) ?? '');
    // Behind a line that does not fit, nothing more could be appended.
    if (torn) await this.writeList(list);
    return list;
  }

  async writeList({ hub, revision, etag, list }: GoodList): Promise<void> {
    const body = list.toText();
    const head = JSON.stringify({ hub, revision, etag, sha256: digestOf(body) });
    await replaceFile(this.path('blocklist'), `${head}\n${body}`, MODE);
    await rm(this.path('blocklist.changes'), { force: true });
    this.#journalEntries = 0;
  }

  /** Notes changes that `good` already has in it. A crash between two changes loses none of the earlier. */
  async writeChange(good: GoodList, { since, revision, add, remove }: Change): Promise<void> {
    this.#journalEntries += 1 + add.length + remove.length;
    if (this.#journalEntries > MOST_JOURNAL_ENTRIES) return this.writeList(good);
    const texts = (addresses: readonly Address[]): string[] => addresses.map(({ text }) => text);
    const line = JSON.stringify({ since, revision, add: texts(add), remove: texts(remove) });
    await appendFile(this.path('blocklist.changes'), `${line}\n`, { mode: MODE });
  }

  async forgetList(): Promise<void> {
    for (const name of ['blocklist.changes', 'blocklist']) await rm(this.path(name), { force: true });
  }

  async readStatus(): Promise<Status> {
    const value = parseObject((await this.#readText('status.json')) ?? '') ?? {};
    return value as Status;
  }

  async writeStatus(status: Status): Promise<void> {
    await replaceFile(this.path('status.json'), `${JSON.stringify(status, undefined, 2)}\n`, MODE);
  }

  #readText(name: string): Promise<string | undefined> {
    return readFile(this.path(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }
}

function parseGoodList(text: string): GoodList | undefined {
  const headEnd = text.indexOf('\n');
  const head = parseObject(text.slice(0, headEnd));
  const body = text.slice(headEnd + 1);
  if (head?.sha256 !== digestOf(body)) return undefined;
  const parsed = parseBlocklist(body);
  const { hub, revision, etag } = head;
  if (parsed.kind === 'invalid' || typeof hub !== 'string') return undefined;
  if (typeof revision !== 'number' || typeof etag !== 'string') return undefined;
  return { hub, revision, etag, list: parsed.list };
}

function applyJournal(good: GoodList, journal: string): { list: GoodList; torn: boolean } {
  let { revision } = good;
  let torn = false;
  for (const line of journal.split('\n')) {
    if (line === '') continue;
    const change = parseObject(line);
    const add = addressesIn(change?.add);
    const remove = addressesIn(change?.remove);
    torn = !change || !add || !remove || change.since !== revision || typeof change.revision !== 'number';
    if (torn || !add || !remove) break;
    for (const address of remove) good.list.delete(address.text);
    for (const address of add) good.list.add(address);
    revision = Number(change?.revision);
  }
  return { list: revision === good.revision ? good : { ...good, revision, etag: '' }, torn };
}

function addressesIn(value: unknown): Address[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const addresses = value.map((text) => (typeof text === 'string' ? canonicalAddress(text) : undefined));
  return addresses.every((address) => address !== undefined) ? addresses : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
