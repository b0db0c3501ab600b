// Dedupe: the addresses that one transaction works on. Opens them, steps them from state to state, saves what differs.
import type { Address } from '../core/address.ts';
import type { AddressState, ChangeKind, Reason } from '../core/words.ts';
import type { StateChange } from '../store/save-states.ts';
import type { WriteTransaction } from '../store/write-transaction.ts';
import { judge, type Quorum } from './judge.ts';
import type { Shield } from './protect.ts';

export interface LedgerRules {
  readonly quorum: Quorum;
  readonly shield: Shield;
}

export class Ledger {
  readonly #tx: WriteTransaction;
  readonly #rules: LedgerRules;
  readonly #before = new Map<string, AddressState>();
  readonly #after = new Map<string, AddressState>();

  constructor(tx: WriteTransaction, rules: LedgerRules) {
    this.#tx = tx;
    this.#rules = rules;
  }

  /** Loads these addresses, judged as of now; those already open stay as they are. */
  async open(addresses: readonly Address[]): Promise<void> {
    const states = await this.#tx.load(addresses.filter(({ text }) => !this.#before.has(text)));
    for (const [text, state] of states) {
      this.#before.set(text, state);
      this.#after.set(text, this.#judge(state));
    }
  }

  /** Why this address must not be published; undefined when it may. */
  against(address: Address): Reason | undefined {
    return this.#rules.shield.against(address);
  }

  /** The state of an address that was opened. */
  state(address: Address): AddressState {
    const state = this.#after.get(address.text);
    if (!state) throw new Error(`${address.text} was not opened`);
    return state;
  }

  /** Puts a new state in its place, judged, and returns it. */
  put(state: AddressState): AddressState {
    const judged = this.#judge(state);
    this.#after.set(state.address.text, judged);
    return judged;
  }

  /** Saves everything that came out different from how it was loaded. Called once, last. */
  async close(): Promise<void> {
    const changed: StateChange[] = [];
    for (const [text, before] of this.#before) {
      const after = this.#after.get(text) ?? before;
      if (after.ban === before.ban && after.claims === before.claims) continue;
      changed.push({ before, after, kind: changeBetween(before, after) });
    }
    await this.#tx.save(changed);
  }

  #judge(state: AddressState): AddressState {
    return judge(state, {
      now: this.#tx.now,
      quorum: this.#rules.quorum,
      against: this.against(state.address),
    });
  }
}

/** What the step from one state to another means for the blocklist. */
function changeBetween(before: AddressState, after: AddressState): ChangeKind | undefined {
  const was = before.ban?.published === true;
  const is = after.ban?.published === true;
  const lifted = (after.ban?.liftedAt ?? null) !== (before.ban?.liftedAt ?? null);
  if (lifted && !is) return was ? 'lift' : 'void';
  if (was !== is) return is ? 'add' : 'remove';
  return is && before.ban !== after.ban ? 'update' : undefined;
}
