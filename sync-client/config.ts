// Sync client, settings: one table, read once at start from the file and the environment. The only reader of process.env.
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { parse as parseEnvFile } from 'dotenv';
import { type Address, parseAddress } from '../server/core/address.ts';
import { setting, whole } from '../server/core/setting.ts';

export const DEFAULT_FILE = '/etc/banhub/sync.conf';

export type EnforcerChoice =
  | { readonly kind: 'route' | 'nftables' | 'ipset' | 'fail2ban' }
  | { readonly kind: 'file'; readonly path: string };

/** Every setting of the sync client. */
export const SETTINGS = {
  BANHUB_URL: setting(undefined, "The hub's address, such as `https://hub.example.net`.", url),
  BANHUB_TOKEN: setting('', 'A token with the scope pull, as `banhub host add` prints it.', token),
  BANHUB_TOKEN_FILE: setting('', 'A file that holds the token, instead of BANHUB_TOKEN.', path),
  BANHUB_ENFORCE: setting(
    undefined,
    'How to block, comma-separated: `route`, `nftables`, `ipset`, `fail2ban`, `file:PATH`.',
    enforcers,
  ),
  BANHUB_STATE_DIR: setting('/var/lib/banhub', 'Where the last good list and the state are kept.', path),
  BANHUB_INTERVAL: setting('60', 'Seconds between two questions to the hub (`run`).', whole(1, 86_400)),
  BANHUB_FULL_INTERVAL: setting(
    '600',
    'Seconds between two full comparisons of the list with what the kernel holds (`run`).',
    whole(1, 86_400),
  ),
  BANHUB_KEEP: setting('', 'Addresses and networks that are never blocked on this host, comma-separated.', addresses),
  BANHUB_CA_FILE: setting('', "PEM file with the certificate authority of the hub's certificate.", path),
  BANHUB_CONNECT_TIMEOUT: setting('5', 'Seconds to wait for a connection to the hub.', whole(1, 600)),
  BANHUB_TIMEOUT: setting('30', 'Seconds that one question to the hub may take in all.', whole(1, 3600)),
  BANHUB_MAX_ENTRIES: setting('500000', 'A longer list is refused.', whole(1, 4_000_000)),
  BANHUB_MAX_SHRINK: setting(
    '50',
    'A list that loses more than this percentage of its entries at once is refused.',
    whole(0, 100),
  ),
  BANHUB_FREE_SHRINK: setting('100', 'So many entries may always go at once.', whole(0, 4_000_000)),
  BANHUB_MAX_GROWTH: setting(
    '1000',
    'A list that grows by more than this percentage at once is refused.',
    whole(0, 1_000_000),
  ),
  BANHUB_FREE_GROWTH: setting('50000', 'So many entries may always come at once.', whole(0, 4_000_000)),
  BANHUB_IPSET_RULE: setting(
    'yes',
    '`ipset`: whether to add the iptables rules that drop what the sets hold; `no` when your own rules use the set `banhub`.',
    yesOrNo,
  ),
  BANHUB_FAIL2BAN_JAIL: setting('banhub', '`fail2ban`: the jail that enforces; one without a report action.', jail),
  BANHUB_FAIL2BAN_SOCKET: setting('', '`fail2ban`: the socket of its server, when it is not the usual one.', path),
} as const;

export type SettingName = keyof typeof SETTINGS;

type Values = { readonly [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['parse']> };

export type Config = Values & {
  /** What commands are run with: the sbin folders are in its PATH, because cron's lacks them. */
  readonly commandEnvironment: NodeJS.ProcessEnv;
};

/** Something in the settings is wrong; the message names the setting and is all that an administrator needs. */
export class ConfigError extends Error {}

/**
 * Reads the file (env-file syntax) and the environment, which wins. Without `file` the default file may be missing.
 *
 * @throws ConfigError
 */
export function loadConfig(file: string | undefined, environment: NodeJS.ProcessEnv = process.env): Config {
  const given = readSettings(file);
  for (const name of Object.keys(given)) {
    if (name.startsWith('BANHUB_') && !(name in SETTINGS)) throw new ConfigError(`${name}: there is no such setting`);
  }
  const values = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, { default: fallback, parse }]) => {
      const text = environment[name] || given[name] || fallback;
      if (text === undefined) throw new ConfigError(`${name}: is not set`);
      return [name, parseSetting(name, text, parse)];
    }),
  ) as unknown as Values;
  return {
    ...values,
    BANHUB_TOKEN: values.BANHUB_TOKEN || tokenFrom(values.BANHUB_TOKEN_FILE),
    commandEnvironment: {
      ...environment,
      PATH: [environment.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter(Boolean).join(':'),
      LC_ALL: 'C',
    },
  };
}

function readSettings(file: string | undefined): Record<string, string> {
  try {
    return parseEnvFile(readFileSync(file ?? DEFAULT_FILE));
  } catch (error) {
    if (file === undefined && error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new ConfigError(`cannot read the settings: ${messageOf(error)}`);
  }
}

function parseSetting(name: string, text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError(`${name}: ${messageOf(error)}`);
  }
}

function tokenFrom(file: string): string {
  if (file === '') throw new ConfigError('BANHUB_TOKEN: is not set, nor is BANHUB_TOKEN_FILE');
  try {
    return token(readFileSync(file, 'utf8').trim()) || refuse('the file is empty');
  } catch (error) {
    throw new ConfigError(`BANHUB_TOKEN_FILE: ${messageOf(error)}`);
  }
}

function url(text: string): URL {
  const parsed = urlOrNothing(text);
  if (!parsed) return refuse('is no URL such as https://hub.example.net');
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return refuse('must begin with http:// or https://');
  if (parsed.username !== '' || parsed.password !== '') return refuse('must hold no password: the token goes apart');
  if (parsed.search !== '' || parsed.hash !== '') return refuse('must end with the path');
  return parsed;
}

/** `URL.canParse` would do, but Node 18.0 lacks it. */
function urlOrNothing(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function token(text: string): string {
  // What may stand in a header (RFC 9110), so that a line break in a file cannot add another one.
  return /^[\x21-\x7e]*$/.test(text) ? text : refuse('holds characters that no token has');
}

function path(text: string): string {
  return text === '' || isAbsolute(text) ? text : refuse('must be an absolute path');
}

function yesOrNo(text: string): boolean {
  return text === 'yes' || text === 'no' ? text === 'yes' : refuse('must be yes or no');
}

function jail(text: string): string {
  return /^[\w.][\w.-]*$/.test(text) ? text : refuse('must be the name of a jail');
}

function addresses(text: string): Address[] {
  return items(text).map((item) => {
    const parsed = parseAddress(item);
    return parsed.kind === 'address' ? parsed.address : refuse(`${JSON.stringify(item)} ${parsed.detail}`);
  });
}

function enforcers(text: string): EnforcerChoice[] {
  const chosen = items(text);
  if (chosen.length === 0) refuse('names no enforcer');
  if (new Set(chosen).size < chosen.length) refuse('names an enforcer twice');
  return chosen.map((item) => {
    if (item === 'route' || item === 'nftables' || item === 'ipset' || item === 'fail2ban') return { kind: item };
    if (!item.startsWith('file:'))
      return refuse(`${JSON.stringify(item)} is none of route, nftables, ipset, fail2ban, file:PATH`);
    const file = item.slice('file:'.length);
    return isAbsolute(file) ? { kind: 'file', path: file } : refuse('file: needs an absolute path');
  });
}

function items(text: string): string[] {
  return text.split(/[\s,]+/).filter((item) => item !== '');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function refuse(why: string): never {
  throw new Error(why);
}
