// Sync client, enforce: ipset, for hosts that filter with iptables. Four sets of our own, one set of them, one rule per family.
import { type Address, isSingle } from '../../server/core/address.ts';
import { readAddresses } from '../blocklist.ts';
import type { RunCommand } from '../command.ts';
import { EnforceError, type Enforcer, expectDone, type Finding, type Held } from './enforcer.ts';
import { checkNetAdmin } from './net-admin.ts';

/** A list of the four sets, so that one rule per family, ours or an administrator's, sees them all. */
export const IPSET = 'banhub';

const SETS = ['banhub4', 'banhub6', 'banhub4net', 'banhub6net'] as const;
type SetName = (typeof SETS)[number];

/** Costs nothing until it is used, and cannot be changed later. */
const MAXELEM = 4_194_304;

/** Raw: before connection tracking costs anything, and before any rule of the administrator's. */
const RULE = [
  'PREROUTING',
  '-m',
  'set',
  '--match-set',
  IPSET,
  'src',
  '-m',
  'comment',
  '--comment',
  'banhub',
  '-j',
  'DROP',
];
const PROGRAMS = ['iptables', 'ip6tables'] as const;
/** Against a rule that cannot be deleted although it seems to be there. */
const MOST_COPIES = 20;

export function ipsetEnforcer({ run, ownRule }: { run: RunCommand; ownRule: boolean }): Enforcer {
  const iptables = (program: string, verb: '-C' | '-I' | '-D') => run([program, '-w', '-t', 'raw', verb, ...RULE]);
  const restore = (lines: readonly string[], what: string) =>
    run(['ipset', '-exist', 'restore'], { input: `${lines.join('\n')}\n` }).then((result) => expectDone(result, what));
  const names = async (): Promise<string[]> => {
    const listed = expectDone(await run(['ipset', 'list', '-n']), 'cannot read the sets').stdout.split('\n');
    return [IPSET, ...SETS].filter((name) => listed.includes(name));
  };
  const ruleStands = async (program: string): Promise<boolean> => {
    const { code, stderr } = await iptables(program, '-C');
    if (code === 127) {
      throw new EnforceError(`${stderr} Without it nothing drops what the sets hold; or set BANHUB_IPSET_RULE=no`);
    }
    return code === 0;
  };
  const intact = async (): Promise<boolean> => {
    const saved = await run(['ipset', 'save', IPSET]);
    if (saved.code !== 0 || !SETS.every((set) => saved.stdout.includes(`add ${IPSET} ${set}\n`))) return false;
    return !ownRule || (await Promise.all(PROGRAMS.map(ruleStands))).every(Boolean);
  };
  const read = async (): Promise<Held> => {
    const existing = (await names()).filter((name) => name !== IPSET);
    const saved =
      existing.length === 0
        ? ''
        : (
            await restore(
              existing.map((name) => `save ${name}`),
              'cannot read the sets',
            )
          ).stdout;
    return {
      entries: readAddresses(membersIn(saved)).entries,
      built: existing.length === SETS.length && (await intact()),
    };
  };

  return {
    name: 'ipset',
    nesting: 'kept',
    read,
    apply: async ({ add, remove, target, build }) => {
      const frame = build ? createLines(target.singles(4), target.singles(6), target.networks.size) : [];
      const lines = [
        ...frame,
        ...remove.map((address) => line('del', address)),
        ...add.map((address) => line('add', address)),
      ];
      if (lines.length > 0) await restore(lines, 'cannot change the sets');
      if (!build || !ownRule) return;
      for (const program of PROGRAMS) {
        if (!(await ruleStands(program)))
          expectDone(await iptables(program, '-I'), `cannot add the rule with ${program}`);
      }
    },
    intact,
    flush: async () => {
      const existing = await names();
      if (existing.length === 0) return 0;
      const held = (await read().catch(() => ({ entries: new Map() }))).entries.size;
      for (const program of PROGRAMS) {
        for (let copy = 0; copy < MOST_COPIES && (await iptables(program, '-D')).code === 0; copy++);
      }
      // Emptied first: a set that an administrator's rule uses cannot be destroyed, but then it blocks nobody.
      await restore(
        existing.map((name) => `flush ${name}`),
        'cannot empty the sets',
      );
      await restore(
        existing.map((name) => `destroy ${name}`),
        'the sets are emptied, but cannot be removed',
      );
      return held;
    },
    check: async (): Promise<Finding[]> => {
      const programs = ['ipset', ...(ownRule ? PROGRAMS : [])];
      const versions = await Promise.all(programs.map((program) => run([program, '--version'])));
      const found = versions.map(({ code, stdout, stderr }) =>
        code === 0 ? { ok: true, text: stdout.trim().split('\n')[0] ?? '' } : { ok: false, text: stderr },
      );
      return [...found, checkNetAdmin()];
    },
  };
}

function createLines(singles4: number, singles6: number, networks: number): string[] {
  const create = (name: SetName, type: string, family: string, count: number): string =>
    `create ${name} ${type} family ${family} hashsize ${hashSizeFor(count)} maxelem ${MAXELEM}`;
  return [
    create('banhub4', 'hash:ip', 'inet', singles4),
    create('banhub6', 'hash:ip', 'inet6', singles6),
    create('banhub4net', 'hash:net', 'inet', networks),
    create('banhub6net', 'hash:net', 'inet6', networks),
    `create ${IPSET} list:set size 8`,
    ...SETS.map((set) => `add ${IPSET} ${set}`),
  ];
}

/** Right from the start, a large set is filled in two thirds of the time: it need not be rehashed as it grows. */
function hashSizeFor(count: number): number {
  return Math.max(1024, 2 ** Math.ceil(Math.log2(Math.max(1, count / 2))));
}

function line(verb: 'add' | 'del', address: Address): string {
  return `${verb} ${setOf(address)} ${address.text}`;
}

function setOf(address: Address): SetName {
  if (isSingle(address)) return address.family === 4 ? 'banhub4' : 'banhub6';
  return address.family === 4 ? 'banhub4net' : 'banhub6net';
}

/** `add SET MEMBER`, one a line. */
function* membersIn(saved: string): Iterable<string> {
  for (const each of saved.split('\n')) if (each.startsWith('add ')) yield each.slice(each.indexOf(' ', 4) + 1);
}
