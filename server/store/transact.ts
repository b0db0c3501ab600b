// Store: one transaction, whose first error is the one that is heard of.
import type { IsolationLevel, Kysely } from 'kysely';
import type { Tables } from './tables.ts';

/**
 * Kysely rolls back after an error, and where that fails too (a dead connection, or SQLite that rolled back by itself),
 * throws the second error instead of the one that says what happened.
 */
export async function transact<Result>(
  db: Kysely<Tables>,
  isolation: IsolationLevel,
  work: (db: Kysely<Tables>) => Promise<Result>,
): Promise<Result> {
  let first: { error: unknown } | undefined;
  const noting = async (transaction: Kysely<Tables>) => {
    try {
      return await work(transaction);
    } catch (error) {
      first = { error };
      throw error;
    }
  };
  try {
    return await db.transaction().setIsolationLevel(isolation).execute(noting);
  } catch (error) {
    throw first ? first.error : error;
  }
}
