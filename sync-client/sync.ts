// Sync client, the flow of one round: pull, judge, plan, enforce, note. Whatever fails, what is enforced stays.
import type { Blocklist } from './blocklist.ts';
import type { Enforcer } from './enforce/enforcer.ts';
import type { Enforcement, Reading } from './enforcement.ts';
import { Guards, type Limits, refusalOf, type Vital } from './guards.ts';
import { type Hub, type Refused, refused } from './hub-request.ts';
import type { Log } from './log.ts';
import type { Skipped } from './plan.ts';
import { type PulledChanges, pullChanges, pullList } from './pull.ts';
import type { GoodList, StateFolder, Status } from './state.ts';

export interface SyncOptions {
  readonly hub: Hub;
  readonly enforcement: Enforcement;
  /** For what an earlier configuration enforced with. */
  readonly enforcerNamed: (name: string) => Enforcer | undefined;
  readonly state: StateFolder;
  readonly limits: Limits;
  /** What must stay reachable now. Given the hub's addresses as last seen, for when its name cannot be looked up. */
  readonly readVitals: (hubAddresses: readonly string[]) => Promise<{ vitals: Vital[]; hubAddresses: string[] }>;
  /** Apart, because it is slow: read when the enforcers are compared as a whole. */
  readonly readGateways: () => Vital[];
  readonly now: () => Date;
  readonly log: Log;
}

export interface RoundResult {
  /** False when something failed; it was logged. */
  readonly ok: boolean;
  /** Entries that were added or removed somewhere. */
  readonly changed: number;
  /** The hub's answer was not taken, for this reason. */
  readonly refused?: Refused;
}

const NO_READING: Reading = new Map();

/** A round that was told to stop before it changed anything. */
const STOPPED: RoundResult = { ok: true, changed: 0 };

export class Sync {
  readonly #options: SyncOptions;
  #status: Status = {};
  #good: GoodList | undefined;
  #guards = new Guards([]);
  #gateways: Vital[] | undefined;

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  /** Reads the state folder. @throws when it cannot be used. */
  async open(): Promise<void> {
    await this.#options.state.create();
    this.#status = await this.#options.state.readStatus();
    this.#good = await this.#options.state.readList();
  }

  get revision(): number {
    return this.#good?.revision ?? 0;
  }

  get entries(): number {
    return this.#good?.list.size ?? 0;
  }

  /** The next round reads anew what the enforcers hold and which gateways there are. */
  distrust(): void {
    this.#options.enforcement.distrust();
    this.#gateways = undefined;
  }

  /** Enforces the last good list, if there is one, without asking the hub. */
  async enforceLastGood(): Promise<RoundResult> {
    if (!this.#good) return { ok: true, changed: 0 };
    const reading = this.#options.enforcement.startReading();
    await Promise.all([this.#renewGuards(), this.#noteUsed()]);
    this.#setList(this.#good);
    return this.#enforce(reading, undefined);
  }

  /**
   * Pulls the whole list unless it is unchanged, and compares it with all that every enforcer holds. `accept` takes it
   * even if the guards against shrinking and growing would not.
   */
  async full({ accept, signal }: { accept: boolean; signal?: AbortSignal }): Promise<RoundResult> {
    const { hub, state, enforcement } = this.#options;
    this.#gateways = undefined;
    const reading = enforcement.startReading();
    const known = this.#good?.hub === hub.url.href ? this.#good.etag : '';
    const [answer] = await Promise.all([pullList(hub, known, signal), this.#renewGuards(), this.#noteUsed()]);
    if (signal?.aborted) return STOPPED;
    let refusal = answer.kind === 'refused' ? answer : undefined;
    if (answer.kind === 'list' && !accept) refusal = this.#judge(sizeOfList(this.#good?.list, answer.list));
    let writing: Promise<void> | undefined;
    if (answer.kind === 'list' && !refusal) {
      const { list, revision, etag } = answer;
      this.#good = { hub: hub.url.href, revision, etag, list };
    }
    if (this.#good) this.#setList(this.#good);
    const enforcing = this.#enforce(reading, refusal);
    // While the kernel is at work.
    if (this.#good && answer.kind === 'list' && !refusal) writing = state.writeList(this.#good);
    const [result] = await Promise.all([enforcing, writing]);
    return result;
  }

  /** Pulls what changed and applies that alone, where the enforcers still stand as the last round left them. */
  async change(signal?: AbortSignal): Promise<RoundResult> {
    const { hub, state, enforcement, log } = this.#options;
    const good = this.#good;
    if (!good || !enforcement.hasList || good.hub !== hub.url.href) return this.full({ accept: false, signal });
    const guarded = this.#guards.key;
    const [answer] = await Promise.all([
      pullChanges(hub, good.revision, signal),
      this.#renewGuards(),
      enforcement.distrustBroken(),
    ]);
    if (signal?.aborted) return STOPPED;
    if (this.#guards.key !== guarded) this.#setList(good);
    if (answer.kind === 'reset') return this.full({ accept: false, signal });
    if (answer.kind === 'refused') return this.#enforce(NO_READING, answer);
    const size = sizeOfChanges(good.list, answer);
    if (size.before + size.added - size.removed !== answer.count) {
      log(`the changes since revision ${good.revision} do not add up to the hub's list: pulling it whole`);
      this.#good = { ...good, etag: '' };
      return this.full({ accept: false, signal });
    }
    const refusal = this.#judge(size);
    if (refusal) return this.#enforce(NO_READING, refusal);
    const moved = answer.revision !== good.revision;
    if (moved) this.#good = { ...good, revision: answer.revision, etag: '' };
    // This changes the list, too.
    this.#noteLeftOut([...enforcement.changeList(answer, this.#guards)], 'further');
    const enforcing = this.#enforce(NO_READING, undefined);
    const [result] = await Promise.all([enforcing, moved ? state.writeChange(this.#good ?? good, answer) : undefined]);
    return result;
  }

  #judge(size: { before: number; added: number; removed: number }): Refused | undefined {
    const reason = refusalOf(size, this.#options.limits);
    return reason === undefined
      ? undefined
      : refused('guard', `the list is refused: ${reason}. To take it all the same: banhub-sync once --accept`);
  }

  #setList(good: GoodList): void {
    this.#noteLeftOut(this.#options.enforcement.setList(good.list, this.#guards), 'all');
  }

  async #enforce(reading: Reading, refusal: Refused | undefined): Promise<RoundResult> {
    const { enforcement, state, log } = this.#options;
    const { errors, changed } = await enforcement.enforce(reading, this.revision);
    // Only now, so that what was chosen instead blocks already.
    const retired = errors.length === 0 && enforcement.hasList ? await this.#retireUnused() : [];
    const kept = enforcement.hasList ? `; kept: revision ${this.revision}, ${this.entries} entries` : '';
    const failures = [...errors, ...retired, ...(refusal ? [refusal.detail + kept] : [])];
    for (const failure of failures) log(failure);
    const at = this.#options.now().toISOString();
    this.#note({
      revision: this.revision,
      entries: this.entries,
      ...(!refusal && { pulledAt: at }),
      ...(errors.length === 0 && { enforcedAt: at }),
      ...(failures.length > 0 && { lastError: { at, text: failures.join('; ') } }),
    });
    await state.writeStatus(this.#status);
    return { ok: failures.length === 0, changed, ...(refusal && { refused: refusal }) };
  }

  /** Before anything is set, so that a crash does not leave behind what nobody knows of. */
  async #noteUsed(): Promise<void> {
    const used = this.#status.used ?? [];
    const all = [...new Set([...used, ...this.#options.enforcement.names])];
    if (all.length === used.length) return;
    this.#note({ used: all });
    await this.#options.state.writeStatus(this.#status);
  }

  /** Takes back what an earlier configuration set with enforcers that are no longer chosen. Returns what failed. */
  async #retireUnused(): Promise<string[]> {
    const { enforcement, enforcerNamed, log } = this.#options;
    const chosen = enforcement.names;
    const failed: string[] = [];
    const left: string[] = [];
    for (const name of (this.#status.used ?? []).filter((each) => !chosen.includes(each))) {
      try {
        const count = (await enforcerNamed(name)?.flush()) ?? 0;
        log(`${name}: no longer chosen, ${count} entries removed`);
      } catch (error) {
        failed.push(`${name}: no longer chosen: ${error instanceof Error ? error.message : String(error)}`);
        left.push(name);
      }
    }
    this.#note({ used: [...chosen, ...left] });
    return failed;
  }

  async #renewGuards(): Promise<void> {
    const { vitals, hubAddresses } = await this.#options.readVitals(this.#status.hubAddresses ?? []);
    this.#gateways ??= this.#options.readGateways();
    this.#guards = new Guards([...vitals, ...this.#gateways]);
    this.#note({ hubAddresses });
  }

  #noteLeftOut(skipped: readonly Skipped[], which: 'all' | 'further'): void {
    const before = this.#status.leftOut ?? [];
    for (const { address, reason } of skipped) {
      if (!before.includes(address.text))
        this.#options.log(`${address.text} is on the list but not blocked: ${reason}`);
    }
    const texts = skipped.map(({ address }) => address.text);
    if (which === 'all' || texts.length > 0) {
      this.#note({ leftOut: which === 'all' ? texts : [...new Set([...before, ...texts])] });
    }
  }

  #note(part: Status): void {
    this.#status = { ...this.#status, ...part };
  }
}

function sizeOfChanges(list: Blocklist, { add, remove }: PulledChanges) {
  const added = add.filter(({ text }) => !list.has(text)).length;
  const removed = remove.filter(({ text }) => list.has(text)).length;
  return { before: list.size, added, removed };
}

function sizeOfList(before: Blocklist | undefined, after: Blocklist) {
  let same = 0;
  if (before) for (const { text } of after.all()) if (before.has(text)) same++;
  const known = before?.size ?? 0;
  return { before: known, added: after.size - same, removed: known - same };
}
