// Sync client, `flush`: takes back all that it ever set, also with enforcers that are no longer chosen. Needs no hub.
import type { Enforcer } from './enforce/enforcer.ts';
import type { Log } from './log.ts';
import type { StateFolder } from './state.ts';

export interface FlushOptions {
  readonly enforcers: readonly Enforcer[];
  readonly enforcerNamed: (name: string) => Enforcer | undefined;
  readonly state: StateFolder;
  readonly log: Log;
}

/** True when nothing of ours is left. The last good list is forgotten too, so that nothing brings it back. */
export async function flushAll({ enforcers, enforcerNamed, state, log }: FlushOptions): Promise<boolean> {
  const status = await state.readStatus();
  const chosen = new Set(enforcers.map(({ name }) => name));
  const former = (status.used ?? []).filter((name) => !chosen.has(name)).flatMap((name) => enforcerNamed(name) ?? []);
  const left: string[] = [];
  for (const enforcer of [...enforcers, ...former]) {
    try {
      log(`${enforcer.name}: ${await enforcer.flush()} entries removed`);
    } catch (error) {
      log(`${enforcer.name}: ${error instanceof Error ? error.message : String(error)}`);
      left.push(enforcer.name);
    }
  }
  await state.forgetList();
  await state.writeStatus({ ...(left.length > 0 && { used: left }) });
  return left.length === 0;
}
