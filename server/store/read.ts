// Store: how the query groups are given the database.
import type { Kysely } from 'kysely';
import type { Tables } from './tables.ts';

/** Runs a query outside any transaction; a database that does not answer becomes AppError `unavailable`. */
export type Read = <Result>(query: (db: Kysely<Tables>) => Promise<Result>) => Promise<Result>;
