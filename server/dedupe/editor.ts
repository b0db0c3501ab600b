// Dedupe: the one way to change the blocklist: a transaction, a ledger with the rules of the moment, and the word
// passed on once it is committed.
import type { Commit } from '../core/words.ts';
import type { Directory } from '../fleet/directory.ts';
import type { Store } from '../store/store.ts';
import type { WriteTransaction } from '../store/write-transaction.ts';
import type { Quorum } from './judge.ts';
import { Ledger } from './ledger.ts';
import type { ProtectionRules } from './protect.ts';

export interface Edit {
  readonly tx: WriteTransaction;
  readonly ledger: Ledger;
}

export interface EditorOptions {
  readonly store: Store;
  readonly directory: Directory;
  readonly quorum: Quorum;
  /** What the directory's shield goes by. */
  readonly protection: ProtectionRules;
  /** Told of each commit before its edit resolves. */
  readonly committed: (commit: Commit) => Promise<void>;
}

export class Editor {
  readonly #options: EditorOptions;

  constructor(options: EditorOptions) {
    this.#options = options;
  }

  /** With other settings than bans were judged by so far, every ban becomes due to be judged anew. */
  async adoptRules(): Promise<void> {
    const { store, quorum, protection } = this.#options;
    const rules = JSON.stringify({ ...protection, quorum: quorum.default, byJail: [...quorum.byJail] });
    await store.write((tx) => tx.setRules(rules));
  }

  /**
   * Runs one edit. `prepare` makes the changes that the rules depend on (allowlist, hosts' addresses); `work` steps
   * addresses in the ledger, and closes it before it records history. Both may run more than once: see Store.write.
   */
  async edit<Prepared, Result>(
    prepare: (tx: WriteTransaction) => Promise<Prepared>,
    work: (edit: Edit, prepared: Prepared) => Promise<Result>,
  ): Promise<{ result: Result; revision: number }> {
    const { store, directory, quorum, committed } = this.#options;
    const { result, commit } = await store.write(async (tx) => {
      const prepared = await prepare(tx);
      const shield = await directory.shieldFor(tx);
      return work({ tx, ledger: new Ledger(tx, { quorum, shield }) }, prepared);
    });
    await committed(commit);
    return { result, revision: commit.position.revision };
  }
}
