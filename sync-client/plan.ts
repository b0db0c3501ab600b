// Sync client, plan: pure. What is wanted, what an enforcer holds and the guards come in; what to add, remove and leave out goes out.
import { type Address, isSingle } from '../server/core/address.ts';
import type { Blocklist } from './blocklist.ts';
import type { Guards } from './guards.ts';
import { outermost, Target } from './target.ts';

/**
 * Whether an enforcer can hold a network beside another one that contains it. nftables' interval sets cannot: they are
 * given the outermost networks alone, which block the same.
 */
export type Nesting = 'kept' | 'outermost';

/** What brings an enforcer from what it holds to the target. */
export interface Plan {
  readonly add: readonly Address[];
  readonly remove: readonly Address[];
}

export interface Skipped {
  readonly address: Address;
  /** Which of the host's vital addresses it overlaps, fit for a log line. */
  readonly reason: string;
}

/** The list without the entries that overlap something which must stay reachable. Takes the list over, see `Target`. */
export function targetOf(list: Blocklist, guards: Guards): { target: Target; skipped: Skipped[] } {
  const skipped: Skipped[] = [];
  const target = new Target(list, (address) => {
    const reason = guards.protecting(address);
    if (reason !== undefined) skipped.push({ address, reason });
    return reason !== undefined;
  });
  return { target, skipped };
}

/** Full comparison: after the plan is carried out, planning again gives an empty plan. */
export function planAll(target: Target, held: ReadonlyMap<string, Address>, nesting: Nesting): Plan {
  const inner = nesting === 'outermost' ? innerNetworks(target) : NONE;
  const all = target.all();
  if (held.size === 0 && inner.size === 0) return { add: all, remove: [] };
  const wanted = inner.size === 0 ? all : all.filter(({ text }) => !inner.has(text));
  const add = wanted.filter(({ text }) => !held.has(text));
  const remove: Address[] = [];
  // When all that is held is wanted, as nearly always, the list need not be searched.
  if (wanted.length - add.length < held.size) {
    for (const [text, address] of held) if (!target.has(text) || inner.has(text)) remove.push(address);
  }
  return { add, remove };
}

/** A hub's changes as they concern the target: what it did not have, what it had, and what the guards leave out. */
export interface TargetChange extends Plan {
  readonly skipped: readonly Skipped[];
  /** The outermost networks before the change; undefined when no network is concerned. */
  readonly outerBefore: ReadonlyMap<string, Address> | undefined;
}

/** Carries a hub's changes into the target. Costs by the size of the change, and of the networks when one is in it. */
export function changeTarget(
  target: Target,
  change: { add: readonly Address[]; remove: readonly Address[] },
  guards: Guards,
): TargetChange {
  const concernsNetworks = !change.add.every(isSingle) || !change.remove.every(isSingle);
  const outerBefore = concernsNetworks ? outermost(target.networks) : undefined;
  const remove = change.remove.filter((address) => target.delete(address));
  const add: Address[] = [];
  const skipped: Skipped[] = [];
  for (const address of change.add) {
    const reason = guards.protecting(address);
    if (reason !== undefined) skipped.push({ address, reason });
    if (target.add(address, reason !== undefined)) add.push(address);
  }
  return { add, remove, skipped, outerBefore };
}

/** The plan for an enforcer that held the whole target before `changeTarget` changed it. */
export function planChange(target: Target, change: TargetChange, nesting: Nesting): Plan {
  if (nesting === 'kept' || !change.outerBefore) return { add: change.add, remove: change.remove };
  const before = change.outerBefore;
  const after = outermost(target.networks);
  return {
    add: [...change.add.filter(isSingle), ...[...after.values()].filter(({ text }) => !before.has(text))],
    remove: [...change.remove.filter(isSingle), ...[...before.values()].filter(({ text }) => !after.has(text))],
  };
}

const NONE: ReadonlySet<string> = new Set();

/** The networks that lie in another one. */
function innerNetworks({ networks }: Target): ReadonlySet<string> {
  const outer = outermost(networks);
  return new Set([...networks.keys()].filter((text) => !outer.has(text)));
}
