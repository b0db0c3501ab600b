// Fleet: a host is added with a token that is shown once, and revoked. Used by the command line.
import { randomBytes } from 'node:crypto';
import { AppError } from '../core/app-error.ts';
import type { Scope } from '../core/words.ts';
import type { Store } from '../store/store.ts';
import { hashOf } from './directory.ts';

const SCOPES: readonly Scope[] = ['report', 'pull', 'admin'];

/** @throws AppError `invalid` for an unknown scope. */
export function parseScopes(text: string): Scope[] {
  return text.split(',').map((name) => {
    const scope = SCOPES.find((known) => known === name.trim());
    if (!scope) throw new AppError('invalid', `--scope: "${name}" is none of ${SCOPES.join(', ')}`, { field: 'scope' });
    return scope;
  });
}

/**
 * Adds a host and returns its token, which is kept nowhere. A revoked host of that name is enrolled again.
 * @throws AppError `invalid` for a name that is no name, `conflict` for one that is in use.
 */
export async function addHost(store: Store, name: string, scopes: readonly Scope[]): Promise<string> {
  if (!/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/i.test(name)) {
    const detail = 'must be 1 to 64 letters, digits, dots, dashes or underscores, as a host name';
    throw new AppError('invalid', `NAME: ${detail}`, { field: 'name' });
  }
  const known = await store.fleet.host(name);
  if (known && known.revokedAt === null) {
    throw new AppError('conflict', `host ${name} is there already; revoke it first to give it a new token`);
  }
  const token = `bh_${randomBytes(32).toString('base64url')}`;
  await store.write((tx) => store.fleet.enrol(tx, { name, tokenHash: hashOf(token), scopes }));
  return token;
}

/** Revokes a host's tokens. @throws AppError `not_found` */
export async function revokeHost(store: Store, name: string): Promise<void> {
  const host = await store.fleet.host(name);
  if (!host || host.revokedAt !== null) throw new AppError('not_found', `there is no host ${name}`);
  await store.write((tx) => store.fleet.revoke(tx, host.id));
}
