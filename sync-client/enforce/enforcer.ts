// Sync client, enforce: what every way to block must be able to do. One file per way stands beside this one.
import type { Address } from '../../server/core/address.ts';
import { type CommandResult, complaintOf } from '../command.ts';
import type { Nesting, Plan } from '../plan.ts';
import type { Target } from '../target.ts';

/** What the kernel, fail2ban or a file holds of ours. */
export interface Held {
  readonly entries: ReadonlyMap<string, Address>;
  /** False when the table, sets, rules or the file itself are not as they should be: `apply` must put them there first. */
  readonly built: boolean;
}

export interface Step extends Plan {
  /** All that is to be held after this step. */
  readonly target: Target;
  readonly build: boolean;
}

export interface Finding {
  readonly ok: boolean;
  readonly text: string;
}

/**
 * One way to block. It sets, reads and removes only what it owns and never touches what an administrator made. A step is
 * one kernel transaction (or one process) however long it is. Every method rejects with an `EnforceError`.
 */
export interface Enforcer {
  /** As in BANHUB_ENFORCE. */
  readonly name: string;
  readonly nesting: Nesting;
  read(): Promise<Held>;
  /** Either all of it holds afterwards or it rejects; the next full comparison then mends what is missing. */
  apply(step: Step): Promise<void>;
  /** A cheap question, for every round: is all that `build` makes still there? Says nothing of single entries. */
  intact(): Promise<boolean>;
  /** Removes all that we ever set, and nothing else. Returns how many entries there were. */
  flush(): Promise<number>;
  /** Whether it would work here: program, permission. Changes nothing. */
  check(): Promise<Finding[]>;
}

/** The message is one line that says what could not be done and why. */
export class EnforceError extends Error {}

/** @throws EnforceError when the command failed. */
export function expectDone(result: CommandResult, what: string): CommandResult {
  if (result.code !== 0) throw new EnforceError(`${what}: ${complaintOf(result)}`);
  return result;
}
