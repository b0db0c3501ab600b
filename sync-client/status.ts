// Sync client, `status`: what was pulled, what went wrong last, and what every enforcer holds at this moment.
import type { Enforcer } from './enforce/enforcer.ts';
import type { Status } from './state.ts';

/** Lines for a person. `ok` is false when an enforcer cannot be read or is not set up. */
export async function describeStatus(
  status: Status,
  enforcers: readonly Enforcer[],
): Promise<{ ok: boolean; lines: string[] }> {
  const list =
    status.revision === undefined
      ? 'list: none yet'
      : `list: revision ${status.revision}, ${status.entries ?? 0} entries; pulled ${status.pulledAt ?? 'never'}, enforced ${status.enforcedAt ?? 'never'}`;
  const held = await Promise.all(enforcers.map(describeEnforcer));
  const left = status.leftOut ?? [];
  return {
    ok: held.every(({ ok }) => ok),
    lines: [
      list,
      ...held.map(({ line }) => line),
      ...(left.length > 0 ? [`on the list but not blocked, because this host needs them: ${left.join(', ')}`] : []),
      `last error: ${status.lastError ? `${status.lastError.at} ${status.lastError.text}` : 'none'}`,
    ],
  };
}

async function describeEnforcer(enforcer: Enforcer): Promise<{ ok: boolean; line: string }> {
  try {
    const { entries, built } = await enforcer.read();
    if (!built) return { ok: false, line: `${enforcer.name}: not set up` };
    return { ok: true, line: `${enforcer.name}: ${entries.size} entries enforced` };
  } catch (error) {
    return { ok: false, line: `${enforcer.name}: ${error instanceof Error ? error.message : String(error)}` };
  }
}
