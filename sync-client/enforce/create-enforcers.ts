// Sync client, enforce: from the words in BANHUB_ENFORCE to the things that block.
import type { RunCommand } from '../command.ts';
import type { Config, EnforcerChoice } from '../config.ts';
import type { Enforcer } from './enforcer.ts';
import { fail2banEnforcer } from './fail2ban.ts';
import { fileEnforcer } from './file.ts';
import { ipsetEnforcer } from './ipset.ts';
import { nftablesEnforcer } from './nftables.ts';
import { routeEnforcer } from './route.ts';

type EnforceConfig = Pick<Config, 'BANHUB_IPSET_RULE' | 'BANHUB_FAIL2BAN_JAIL' | 'BANHUB_FAIL2BAN_SOCKET'>;

export function createEnforcer(choice: EnforcerChoice, config: EnforceConfig, run: RunCommand): Enforcer {
  switch (choice.kind) {
    case 'route':
      return routeEnforcer(run);
    case 'nftables':
      return nftablesEnforcer(run);
    case 'ipset':
      return ipsetEnforcer({ run, ownRule: config.BANHUB_IPSET_RULE });
    case 'fail2ban':
      return fail2banEnforcer({ run, jail: config.BANHUB_FAIL2BAN_JAIL, socket: config.BANHUB_FAIL2BAN_SOCKET });
    case 'file':
      return fileEnforcer(choice.path);
  }
}

/** The choice that an enforcer's name stands for, as the state folder notes it. */
export function choiceOf(name: string): EnforcerChoice | undefined {
  if (name === 'route' || name === 'nftables' || name === 'ipset' || name === 'fail2ban') return { kind: name };
  return name.startsWith('file:/') ? { kind: 'file', path: name.slice('file:'.length) } : undefined;
}
