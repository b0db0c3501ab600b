// Sync client, enforce: blackhole routes. Ours are known by their protocol number and metric together.
import type { Address } from '../../server/core/address.ts';
import { readAddresses } from '../blocklist.ts';
import type { RunCommand } from '../command.ts';
import { EnforceError, type Enforcer, expectDone, type Finding, type Held } from './enforcer.ts';
import { checkNetAdmin } from './net-admin.ts';

/** Not used by anything in iproute2's rt_protos. */
export const ROUTE_PROTOCOL = 166;

/**
 * Routes for one prefix differ by their metric. With one of our own we neither replace an administrator's route for the
 * same prefix nor delete it; his, with the usual lower metric, wins over ours.
 */
export const ROUTE_METRIC = 4242;

/**
 * Blackhole routes stop every reply, so no connection comes about. A single datagram still reaches its socket unless
 * rp_filter is on. IPv4 and IPv6 go into one `ip -batch`.
 */
export function routeEnforcer(run: RunCommand): Enforcer {
  const readFamily = async (family: '-4' | '-6'): Promise<Iterable<[string, Address]>> => {
    const shown = await run(['ip', family, 'route', 'show', 'proto', String(ROUTE_PROTOCOL), 'type', 'blackhole']);
    // An IPv6-less kernel has no such table, and nothing to hold.
    if (family === '-6' && /not supported/.test(shown.stderr)) return [];
    return readAddresses(ourDestinations(expectDone(shown, 'cannot read the routes').stdout)).entries;
  };
  const read = async (): Promise<Held> => {
    const [routes4, routes6] = await Promise.all([readFamily('-4'), readFamily('-6')]);
    return { entries: new Map([...routes4, ...routes6]), built: true };
  };
  const change = async (add: readonly Address[], remove: readonly Address[]): Promise<void> => {
    if (add.length + remove.length === 0) return;
    const lines = [
      ...add.map((address) => routeLine('add', address)),
      ...remove.map((address) => routeLine('del', address)),
    ];
    const result = await run(['ip', '-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    if (result.code === 0) return;
    const failed = failedAdds(result.stderr, add);
    if (failed.length > 0) {
      const first = failed[0];
      throw new EnforceError(
        `${failed.length} routes could not be added, the first is ${first?.address}: ${first?.complaint}`,
      );
    }
    // Only removals failed: a route that is gone already is as wanted, and the next full comparison sees all others.
    if (!result.stderr.includes('Command failed')) expectDone(result, 'cannot change the routes');
  };
  return {
    name: 'route',
    nesting: 'kept',
    read,
    apply: ({ add, remove }) => change(add, remove),
    intact: async () => true,
    flush: async () => {
      const { entries } = await read();
      await change([], [...entries.values()]);
      return entries.size;
    },
    check: async (): Promise<Finding[]> => {
      const version = await run(['ip', '-V']);
      return [
        version.code === 0 ? { ok: true, text: version.stdout.trim() } : { ok: false, text: version.stderr },
        checkNetAdmin(),
      ];
    },
  };
}

function routeLine(verb: 'add' | 'del', address: Address): string {
  return `route ${verb} blackhole ${address.text} proto ${ROUTE_PROTOCOL} metric ${ROUTE_METRIC}`;
}

/** `blackhole 198.18.0.1 metric 4242`, one a line; another metric is not ours. */
function* ourDestinations(stdout: string): Iterable<string> {
  const metric = ` metric ${ROUTE_METRIC} `;
  for (const line of stdout.split('\n')) {
    if (`${line} `.includes(metric)) yield line.split(' ', 2)[1] ?? '';
  }
}

/** `ip -force -batch` tells a complaint, then `Command failed -:LINE`. */
function failedAdds(stderr: string, add: readonly Address[]): { address: string; complaint: string }[] {
  const failed: { address: string; complaint: string }[] = [];
  let complaint = '';
  for (const line of stderr.split('\n')) {
    const number = /^Command failed -:(\d+)/.exec(line)?.[1];
    const address = number && add[Number(number) - 1];
    if (address) failed.push({ address: address.text, complaint });
    if (!number) complaint = line.trim();
  }
  return failed;
}
