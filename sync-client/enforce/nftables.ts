// Sync client, enforce: nftables. All in a table of our own, `inet banhub`, changed by one `nft -f -` at a time.
import { type Address, isSingle } from '../../server/core/address.ts';
import { readAddresses } from '../blocklist.ts';
import type { RunCommand } from '../command.ts';
import { outermost, type Target } from '../target.ts';
import { type Enforcer, expectDone, type Finding, type Held, type Step } from './enforcer.ts';

export const NFT_TABLE = 'inet banhub';

/**
 * Single addresses live in hash sets, where a change costs nothing. Networks need interval sets, in which deleting 100 of
 * 100,000 takes 12 s: a removal there empties the set and fills it again instead, in the same transaction.
 */
const SETS = ['single4', 'single6', 'network4', 'network6'] as const;
type SetName = (typeof SETS)[number];

/** Of elements that a hash set has room for. A set with a size is filled in two thirds of the time of one without. */
const LEAST_SIZE = 16_384;

export function nftablesEnforcer(run: RunCommand): Enforcer {
  /** What the hash sets were made for, as last read or built; a list that outgrows them has the table built anew. */
  let sizes = { single4: 0, single6: 0 };

  /** The table without its elements, or undefined. Of all commands this one alone does not fetch them: 4 ms against 250. */
  const readFrame = async (): Promise<string | undefined> => {
    const ruleset = expectDone(
      await run(['nft', '-t', '-s', '-nn', 'list', 'ruleset', 'inet']),
      'cannot read the nftables rules',
    ).stdout;
    return /^table inet banhub \{\n.*?^\}/ms.exec(ruleset)?.[0];
  };
  const transact = async (script: string): Promise<void> => {
    expectDone(await run(['nft', '-f', '-'], { input: script }), 'cannot change the nftables table');
  };
  const read = async (): Promise<Held> => {
    const frame = await readFrame();
    if (frame === undefined || !isWhole(frame)) return { entries: new Map(), built: false };
    sizes = { single4: sizeIn(frame, 'single4'), single6: sizeIn(frame, 'single6') };
    const listed = expectDone(
      await run(['nft', '-nn', 'list', 'table', ...NFT_TABLE.split(' ')]),
      'cannot read the sets',
    );
    const { entries, foreign } = readAddresses(elementsIn(listed.stdout));
    // A range that someone merged or added by hand cannot be compared with our entries.
    return foreign.length === 0 ? { entries, built: true } : { entries: new Map(), built: false };
  };
  const fits = (target: Target): boolean => target.singles(4) <= sizes.single4 && target.singles(6) <= sizes.single6;

  return {
    name: 'nftables',
    nesting: 'outermost',
    read,
    apply: async (step) => {
      if (step.build || !fits(step.target)) {
        const wanted = { single4: sizeFor(step.target.singles(4)), single6: sizeFor(step.target.singles(6)) };
        const all = step.build ? step.add : fillOf(step.target);
        await transact(
          `add table ${NFT_TABLE}\ndelete table ${NFT_TABLE}\n${frameText(wanted)}${elementText('add', all)}`,
        );
        sizes = wanted;
      } else {
        await transact(changeText(step));
      }
    },
    intact: async () => {
      const frame = await readFrame();
      return frame !== undefined && isWhole(frame);
    },
    flush: async () => {
      if ((await readFrame()) === undefined) return 0;
      const held = (await read()).entries.size;
      await transact(`delete table ${NFT_TABLE}\n`);
      return held;
    },
    check: async (): Promise<Finding[]> => {
      const version = await run(['nft', '--version']);
      if (version.code !== 0) return [{ ok: false, text: version.stderr }];
      // -c: the kernel judges the transaction, permission included, and does not commit it.
      const trial = await run(['nft', '-c', '-f', '-'], {
        input: frameText({ single4: LEAST_SIZE, single6: LEAST_SIZE }),
      });
      const permission: Finding =
        trial.code === 0
          ? { ok: true, text: 'the kernel would take the table' }
          : { ok: false, text: `the kernel would not take the table: ${trial.stderr.trim().split('\n')[0] ?? ''}` };
      return [{ ok: true, text: version.stdout.trim() }, permission];
    },
  };
}

/** Early: before connection tracking (-200) costs anything, and before any rule of the administrator's. */
function frameText(sizes: { single4: number; single6: number }): string {
  return `table ${NFT_TABLE} {
  set single4 { type ipv4_addr; size ${sizes.single4}; }
  set single6 { type ipv6_addr; size ${sizes.single6}; }
  set network4 { type ipv4_addr; flags interval; }
  set network6 { type ipv6_addr; flags interval; }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    ip saddr @single4 counter drop
    ip saddr @network4 counter drop
    ip6 saddr @single6 counter drop
    ip6 saddr @network6 counter drop
  }
}
`;
}

/** Judged by what must be there, not by the whole text: versions of nft print it differently. */
function isWhole(frame: string): boolean {
  return (
    /hook prerouting priority (-300|raw); policy accept;/.test(frame) &&
    SETS.every((set) => new RegExp(`^\\s*ip6? saddr @${set} (counter )?drop$`, 'm').test(frame)) &&
    sizeIn(frame, 'single4') > 0 &&
    sizeIn(frame, 'single6') > 0
  );
}

function sizeIn(frame: string, set: SetName): number {
  return Number(new RegExp(`set ${set} \\{[^}]*?size (\\d+)`).exec(frame)?.[1] ?? 0);
}

function sizeFor(count: number): number {
  // Room for half as much again, so that growth seldom means building anew.
  return Math.max(LEAST_SIZE, 2 ** Math.ceil(Math.log2(Math.max(1, count * 1.5))));
}

function fillOf(target: Target): Address[] {
  return [...target.all().filter(isSingle), ...outermost(target.networks).values()];
}

function changeText({ add, remove, target }: Step): string {
  const rewritten = new Set(remove.filter((address) => !isSingle(address)).map(setOf));
  if (rewritten.size === 0) return elementText('delete', remove) + elementText('add', add);
  const networks = [...outermost(target.networks).values()].filter((address) => rewritten.has(setOf(address)));
  return [
    ...[...rewritten].map((set) => `flush set ${NFT_TABLE} ${set}\n`),
    elementText('delete', remove.filter(isSingle)),
    elementText('add', [...add.filter((address) => !rewritten.has(setOf(address))), ...networks]),
  ].join('');
}

function elementText(verb: 'add' | 'delete', addresses: readonly Address[]): string {
  const bySet: Record<SetName, string[]> = { single4: [], single6: [], network4: [], network6: [] };
  for (const address of addresses) bySet[setOf(address)].push(address.text);
  return SETS.filter((set) => bySet[set].length > 0)
    .map((set) => `${verb} element ${NFT_TABLE} ${set} {${bySet[set].join(',')}}\n`)
    .join('');
}

function setOf(address: Address): SetName {
  if (isSingle(address)) return address.family === 4 ? 'single4' : 'single6';
  return address.family === 4 ? 'network4' : 'network6';
}

function* elementsIn(listing: string): Iterable<string> {
  for (const [, elements = ''] of listing.matchAll(/elements = \{([^}]*)\}/g)) yield* elements.trim().split(/,\s*/);
}
