// Sync client, plan and enforce: brings every enforcer to the list, and knows which ones hold it, so that a small change costs little.
import type { Blocklist } from './blocklist.ts';
import type { Enforcer, Held } from './enforce/enforcer.ts';
import type { Guards } from './guards.ts';
import type { Log } from './log.ts';
import { changeTarget, type Plan, planAll, planChange, type Skipped, type TargetChange, targetOf } from './plan.ts';
import type { PulledChanges } from './pull.ts';
import type { Target } from './target.ts';

/** What the enforcers hold, being read. Begun early, so that it runs beside the question to the hub. */
export type Reading = ReadonlyMap<Enforcer, Promise<{ held: Held } | { error: unknown }>>;

export interface EnforceResult {
  /** One line per enforcer that failed. */
  readonly errors: readonly string[];
  /** Entries that were added or removed somewhere. */
  readonly changed: number;
}

export class Enforcement {
  readonly #enforcers: readonly Enforcer[];
  readonly #log: Log;
  #target: Target | undefined;
  /** What the enforcers in step still lack. */
  #pending: TargetChange | undefined;
  /** Those that held the whole target after the last round: they can be given a change unread. */
  readonly #inStep = new Set<Enforcer>();

  constructor({ enforcers, log }: { enforcers: readonly Enforcer[]; log: Log }) {
    this.#enforcers = enforcers;
    this.#log = log;
  }

  get names(): string[] {
    return this.#enforcers.map(({ name }) => name);
  }

  /** False until a list was set. */
  get hasList(): boolean {
    return this.#target !== undefined;
  }

  startReading(): Reading {
    return new Map(this.#enforcers.map((enforcer) => [enforcer, readOf(enforcer)]));
  }

  /** Every enforcer is read and compared as a whole in the next round. */
  distrust(): void {
    this.#inStep.clear();
  }

  /** Distrusts the enforcers whose table, sets or rules are gone. Cheap. */
  async distrustBroken(): Promise<void> {
    const broken = async (enforcer: Enforcer): Promise<void> => {
      if (!(await enforcer.intact().catch(() => false))) this.#inStep.delete(enforcer);
    };
    await Promise.all([...this.#inStep].map(broken));
  }

  /** Sets the whole list, and takes it over: `changeList` changes it. Returns what the guards leave out of it. */
  setList(list: Blocklist, guards: Guards): Skipped[] {
    const { target, skipped } = targetOf(list, guards);
    this.#target = target;
    this.#pending = undefined;
    this.#inStep.clear();
    return skipped;
  }

  /** Carries the hub's changes into the list that was set, the caller's own. Returns what the guards leave out of them. */
  changeList(changes: Pick<PulledChanges, 'add' | 'remove'>, guards: Guards): readonly Skipped[] {
    if (!this.#target) return [];
    this.#pending = changeTarget(this.#target, changes, guards);
    return this.#pending.skipped;
  }

  /** Enforces the list. An enforcer that fails does not stop the others, and is compared as a whole the next time. */
  async enforce(reading: Reading, revision: number): Promise<EnforceResult> {
    const target = this.#target;
    if (!target) return { errors: [], changed: 0 };
    const pending = this.#pending;
    this.#pending = undefined;
    const errors: string[] = [];
    const bring = async (enforcer: Enforcer): Promise<number> => {
      const trusted = this.#inStep.delete(enforcer);
      try {
        const step = trusted
          ? { plan: pending ? planChange(target, pending, enforcer.nesting) : NOTHING, build: false }
          : await compare(enforcer, target, reading.get(enforcer) ?? readOf(enforcer));
        const changed = await this.#carryOut(enforcer, target, step, revision);
        this.#inStep.add(enforcer);
        return changed;
      } catch (error) {
        errors.push(`${enforcer.name}: ${error instanceof Error ? error.message : String(error)}`);
        return 0;
      }
    };
    const changed = await Promise.all(this.#enforcers.map(bring));
    return { errors, changed: changed.reduce((sum, each) => sum + each, 0) };
  }

  async #carryOut(enforcer: Enforcer, target: Target, { plan, build }: PlannedStep, revision: number): Promise<number> {
    const { add, remove } = plan;
    const changed = add.length + remove.length;
    if (changed === 0 && !build) return 0;
    await enforcer.apply({ add, remove, target, build });
    const how = build ? ' (set up anew)' : '';
    this.#log(`${enforcer.name}: ${add.length} added, ${remove.length} removed${how}; revision ${revision}`);
    return changed;
  }
}

interface PlannedStep {
  readonly plan: Plan;
  readonly build: boolean;
}

const NOTHING: Plan = { add: [], remove: [] };

async function compare(
  enforcer: Enforcer,
  target: Target,
  reading: Promise<{ held: Held } | { error: unknown }>,
): Promise<PlannedStep> {
  const read = await reading;
  if ('error' in read) throw read.error;
  return { plan: planAll(target, read.held.entries, enforcer.nesting), build: !read.held.built };
}

/** Never rejects: it may be awaited long after, or not at all. */
function readOf(enforcer: Enforcer): Promise<{ held: Held } | { error: unknown }> {
  return enforcer.read().then(
    (held) => ({ held }),
    (error: unknown) => ({ error }),
  );
}
