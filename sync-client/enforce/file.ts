// Sync client, enforce: a file with one entry per line, for programs that read their list from one (HAProxy, nginx, Kamailio).
import { readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { compareAddresses } from '../../server/core/address.ts';
import { readAddresses, shown } from '../blocklist.ts';
import { replaceFile } from '../replace-file.ts';
import { EnforceError, type Enforcer, type Finding, type Held } from './enforcer.ts';

/** Everyone may read it, as the programs that do run under their own names. */
const MODE = 0o644;

/** The file is replaced as a whole, so that a reader sees the old list or the new one. A file of another kind is never touched. */
export function fileEnforcer(path: string): Enforcer {
  const read = async (): Promise<Held> => {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw new EnforceError(`cannot read the file: ${error.message}`);
    });
    if (text === undefined) return { entries: new Map(), built: false };
    const { entries, foreign } = readAddresses(text.split('\n').filter((line) => line !== ''));
    if (foreign[0] !== undefined) {
      throw new EnforceError(`${path} holds ${shown(foreign[0])}: this is no list of ours, it is left as it is`);
    }
    return { entries, built: true };
  };

  return {
    name: `file:${path}`,
    nesting: 'kept',
    read,
    apply: async ({ target }) => {
      // Sorted, so that two hosts' files can be compared; the entries come nearly sorted, which costs little.
      const lines = [...target.all()].sort(compareAddresses).map(({ text }) => `${text}\n`);
      try {
        await replaceFile(path, lines.join(''), MODE);
      } catch (error) {
        throw new EnforceError(`cannot write the file: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    intact: () =>
      stat(path).then(
        () => true,
        () => false,
      ),
    flush: async () => {
      const { entries, built } = await read();
      if (built) await rm(path);
      return entries.size;
    },
    check: async (): Promise<Finding[]> => {
      const folder = await stat(dirname(path)).catch(() => undefined);
      if (!folder?.isDirectory()) return [{ ok: false, text: `there is no folder ${dirname(path)}` }];
      const { entries, built } = await read();
      return [{ ok: true, text: built ? `${path} holds ${entries.size} entries` : `${path} is not there yet` }];
    },
  };
}
