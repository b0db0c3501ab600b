// Publish: the net difference between two revisions. Pure.
import type { LoggedChange } from './blocklist.ts';

export interface NetChanges {
  readonly add: string[];
  readonly remove: string[];
  /** Removed by an administrator, so that hosts unban them in their own jails too. */
  readonly lifted: string[];
}

/**
 * What to add to and remove from the list as it was before `changes` (all of them, oldest first) to have it as it is
 * after them. Whatever came and went between is left out. Each address stands in `add` or in `remove`, never in both.
 */
export function netChanges(changes: readonly LoggedChange[]): NetChanges {
  const spans = new Map<string, { last: LoggedChange['kind']; wasListed: boolean }>();
  for (const { text, kind } of changes) {
    const wasListed = spans.get(text)?.wasListed ?? (kind === 'remove' || kind === 'lift');
    spans.set(text, { last: kind, wasListed });
  }
  const net: NetChanges = { add: [], remove: [], lifted: [] };
  for (const [text, { last, wasListed }] of spans) {
    if (last === 'add' && !wasListed) net.add.push(text);
    if (last !== 'add' && wasListed) net.remove.push(text);
    if (last === 'lift' || last === 'void') net.lifted.push(text);
  }
  return net;
}
