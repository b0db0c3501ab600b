// Sync client, enforce: a fail2ban jail of our own, for hosts where fail2ban's actions are to do the blocking.
import { type Address, networkOf } from '../../server/core/address.ts';
import { readAddresses } from '../blocklist.ts';
import { type CommandResult, complaintOf, type RunCommand } from '../command.ts';
import { type Enforcer, expectDone, type Finding, type Held } from './enforcer.ts';

/** Addresses per call. A call costs 50 ms by itself, and all of its words must fit into one argument list. */
const CHUNK = 10_000;

/** fail2ban answers when the jail's actions have run for every address, some 3 ms each when they start a program. */
const TIME_LIMIT = 600_000;

const LOG_STAMP = /^\S+ \S+ fail2ban\s+\[\d+\]: \w+\s+/gm;

/** The jail is ours as a whole: what it holds beyond the list is unbanned. `socket` empty: the usual one. */
export function fail2banEnforcer(options: { run: RunCommand; jail: string; socket: string }): Enforcer {
  const { run, jail, socket } = options;
  const client = async (...words: string[]): Promise<CommandResult> => {
    const command = ['fail2ban-client', ...(socket === '' ? [] : ['-s', socket]), ...words];
    const result = await run(command, { timeLimit: TIME_LIMIT });
    // What was wrong stands on standard output; standard error has log lines of a program's kind.
    return { ...result, stderr: `${result.code === 0 ? '' : result.stdout}\n${result.stderr.replace(LOG_STAMP, '')}` };
  };
  const inChunks = async (verb: 'banip' | 'unbanip', addresses: readonly Address[]): Promise<void> => {
    for (let start = 0; start < addresses.length; start += CHUNK) {
      const texts = addresses.slice(start, start + CHUNK).map(textForFail2ban);
      expectDone(await client('set', jail, verb, ...texts), `cannot ${verb} in jail ${jail}`);
    }
  };
  const read = async (): Promise<Held> => {
    const { stdout } = expectDone(await client('get', jail, 'banip'), `cannot read jail ${jail}`);
    return { entries: readAddresses(stdout.split(/\s+/).filter(Boolean)).entries, built: true };
  };

  return {
    name: 'fail2ban',
    nesting: 'kept',
    read,
    apply: async ({ add, remove }) => {
      await inChunks('unbanip', remove);
      await inChunks('banip', add);
    },
    intact: async () => {
      expectDone(await client('get', jail, 'bantime'), `cannot read jail ${jail}`);
      return true;
    },
    flush: async () => {
      const { entries } = await read();
      await inChunks('unbanip', [...entries.values()]);
      return entries.size;
    },
    check: async (): Promise<Finding[]> => {
      const [bantime, actions] = [await client('get', jail, 'bantime'), await client('get', jail, 'actions')];
      if (bantime.code !== 0) return [{ ok: false, text: `jail ${jail}: ${complaintOf(bantime)}` }];
      const lasting: Finding =
        Number(bantime.stdout.trim()) === -1
          ? { ok: true, text: `jail ${jail} is there` }
          : { ok: false, text: `jail ${jail} needs bantime = -1: the hub says when a ban ends, not the jail` };
      // It would tell the hub the fleet's list as this host's own bans.
      const echoes = /(^|[\s,])banhub(-matches)?\s*(,|$)/m.test(actions.stdout.split('\n').slice(1).join('\n'));
      return [lasting, ...(echoes ? [{ ok: false, text: `jail ${jail} must not have the report action banhub` }] : [])];
    },
  };
}

/**
 * fail2ban finds what it is to unban by the text that the C library prints, which shows the last 32 bits of `::/96` as a
 * dotted quad, where RFC 5952 does not.
 */
function textForFail2ban({ family, first, prefix, text }: Address): string {
  if (family === 4 || first >> 32n !== 0n || first >> 16n === 0n) return text;
  return `::${networkOf(4, first, 32).text}${prefix === 128 ? '' : `/${prefix}`}`;
}
