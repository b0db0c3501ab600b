// Sync client, `check`: would it work here? Asks the hub and every enforcer, and changes nothing.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Enforcer, Finding } from './enforce/enforcer.ts';
import type { Hub } from './hub-request.ts';
import { pullList } from './pull.ts';

export interface CheckOptions {
  readonly hub: Hub;
  readonly enforcers: readonly Enforcer[];
  readonly stateFolder: string;
  /** Files with secrets in them that were read; empty names are passed over. */
  readonly secretFiles: readonly string[];
}

/** All findings, good and bad. Never rejects. */
export async function checkAll({ hub, enforcers, stateFolder, secretFiles }: CheckOptions): Promise<Finding[]> {
  const parts = await Promise.all([
    checkHub(hub),
    checkFolder(stateFolder),
    ...secretFiles.filter((file) => file !== '').map(checkSecret),
    ...enforcers.map(checkEnforcer),
  ]);
  return parts.flat();
}

async function checkHub(hub: Hub): Promise<Finding[]> {
  const answer = await pullList(hub, '');
  return [
    answer.kind === 'list'
      ? { ok: true, text: `hub ${hub.url.href}: revision ${answer.revision}, ${answer.list.size} entries` }
      : { ok: false, text: `hub ${hub.url.href}: ${answer.kind === 'refused' ? answer.detail : 'no list'}` },
  ];
}

async function checkFolder(folder: string): Promise<Finding[]> {
  const writable = (path: string): Promise<boolean> =>
    access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
  if (await writable(folder)) return [{ ok: true, text: `state folder ${folder}` }];
  let above = dirname(folder);
  while (above !== '/' && !(await stat(above).catch(() => undefined))) above = dirname(above);
  return (await writable(above)) && !(await stat(folder).catch(() => undefined))
    ? [{ ok: true, text: `state folder ${folder} will be made` }]
    : [{ ok: false, text: `state folder ${folder} cannot be written to (BANHUB_STATE_DIR)` }];
}

async function checkSecret(file: string): Promise<Finding[]> {
  const found = await stat(file).catch(() => undefined);
  if (!found || (found.mode & 0o077) === 0) return [];
  return [{ ok: false, text: `${file} holds the token and others may read it: chmod 600 ${file}` }];
}

async function checkEnforcer(enforcer: Enforcer): Promise<Finding[]> {
  try {
    return (await enforcer.check()).map(({ ok, text }) => ({ ok, text: `${enforcer.name}: ${text.trim()}` }));
  } catch (error) {
    return [{ ok: false, text: `${enforcer.name}: ${error instanceof Error ? error.message : String(error)}` }];
  }
}
