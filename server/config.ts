// The settings: one table, read once at start. The only reader of process.env.
import { readFileSync } from 'node:fs';
import { parse as parseEnvFile } from 'dotenv';
import { parseAddress } from './core/address.ts';
import { AppError } from './core/app-error.ts';
import { type Setting, setting, whole } from './core/setting.ts';
import type { Quorum } from './dedupe/judge.ts';
import { ALLOWABLE_RANGES, type AllowableRange } from './dedupe/protect.ts';

/** Every setting of the hub. `docs/operator.md` lists the same, and a test compares them. */
export const SETTINGS = {
  BANHUB_LISTEN: setting(
    '127.0.0.1:8080',
    'Address and port to listen on; `0.0.0.0:8080` or `[::]:8080` for all.',
    listen,
  ),
  BANHUB_DATABASE_URL: setting(
    'sqlite:data/banhub.db',
    'Where the data is: `sqlite:PATH`, or `mysql://user:password@host:3306/db` for MySQL and MariaDB.',
    databaseUrl,
    true,
  ),
  BANHUB_PUBLIC_URL: setting('', 'How hosts reach the hub, for the lines to paste; empty: as it listens.', publicUrl),
  BANHUB_TLS_CERT: setting(
    '',
    'PEM file with the certificate (and its chain); with the key, the hub speaks HTTPS.',
    text,
  ),
  BANHUB_TLS_KEY: setting('', 'PEM file with the private key.', text),
  BANHUB_TRUST_PROXY: setting(
    '',
    'Addresses or networks of reverse proxies, comma-separated, whose `X-Forwarded-For` is believed.',
    proxies,
  ),
  BANHUB_DEFAULT_BANTIME: setting('86400', 'Seconds that a ban lasts whose report does not say; -1 for ever.', bantime),
  BANHUB_QUORUM: setting(
    '1',
    'How many different hosts must claim an address before it is published; per jail behind it: `2, sshd=3`.',
    quorum,
  ),
  BANHUB_WIDEST_IPV4: setting('16', 'Shortest prefix of an IPv4 network that may be banned.', whole(0, 32)),
  BANHUB_WIDEST_IPV6: setting('32', 'Shortest prefix of an IPv6 network that may be banned.', whole(0, 128)),
  BANHUB_ALLOW_RANGES: setting(
    '',
    'Special ranges that may be banned all the same, comma-separated: `private`, `shared`, `documentation`.',
    allowRanges,
  ),
  BANHUB_RATE_LIMIT: setting(
    '30000',
    'Requests a minute that one token may make; 0 for no limit.',
    whole(0, 10_000_000),
  ),
  BANHUB_SIGNIN_LIMIT: setting(
    '20',
    'Failed sign-ins a minute from one address before it must wait.',
    whole(1, 100_000),
  ),
  BANHUB_HISTORY_DAYS: setting('90', 'Days that history is kept.', whole(1, 36_500)),
  BANHUB_LOG_LEVEL: setting('info', 'How much is logged: `error`, `warn`, `info` or `debug`.', logLevel),
} as const;

export type SettingName = keyof typeof SETTINGS;

export type Config = { readonly [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['parse']> };

type Source = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment, over the env file if one is given. A BANHUB_ name in the file that is no setting is an error: a
 * mistyped setting must not silently leave its default in force. @throws AppError `invalid` that names the setting.
 */
export function readConfig(file?: string, env: Source = process.env): Config {
  const fromFile = file === undefined ? {} : readEnvFile(file);
  const [stranger] = unknownSettings(fromFile);
  if (stranger !== undefined) throw wrong(stranger, `is no setting of the hub, but stands in ${file}`);
  const values = Object.keys(SETTINGS).map((name) => [name, readSetting(name, [env, fromFile])]);
  const config = Object.fromEntries(values) as Config;
  if ((config.BANHUB_TLS_CERT === '') !== (config.BANHUB_TLS_KEY === '')) {
    throw wrong(config.BANHUB_TLS_CERT === '' ? 'BANHUB_TLS_CERT' : 'BANHUB_TLS_KEY', 'must be set with the other');
  }
  return config;
}

/** BANHUB_ names that are no setting. In the environment they may be another program's. */
export function unknownSettings(given: Source = process.env): string[] {
  return Object.keys(given).filter((name) => {
    const base = name.replace(/_FILE$/, '');
    const known = Object.hasOwn(SETTINGS, name) || (Object.hasOwn(SETTINGS, base) && settingOf(base).secret);
    return name.startsWith('BANHUB_') && !known;
  });
}

/** From the first source that has it, by itself or, for a secret, as the path of a file. */
function readSetting(name: string, sources: readonly Source[]): unknown {
  const { default: fallback, parse, secret } = settingOf(name);
  const fileName = `${name}_FILE`;
  const source = sources.find((given) => given[name] !== undefined || (secret && given[fileName] !== undefined)) ?? {};
  const path = secret && source[fileName];
  if (path && source[name]) throw wrong(name, `is given twice: here and in ${fileName}`);
  const value = path ? readSecret(fileName, path) : source[name];
  try {
    return parse((value === undefined || value === '' ? fallback : value) ?? '');
  } catch (error) {
    throw wrong(name, messageOf(error));
  }
}

function settingOf(name: string): Setting<unknown> {
  return SETTINGS[name as SettingName];
}

function readEnvFile(path: string): Record<string, string> {
  try {
    return parseEnvFile(readFileSync(path));
  } catch (cause) {
    throw new AppError('invalid', `--config ${path}: ${messageOf(cause)}`, { cause });
  }
}

function readSecret(name: string, path: string): string {
  try {
    const secret = readFileSync(path, 'utf8').trim();
    if (secret === '') throw new Error(`${path} is empty`);
    return secret;
  } catch (cause) {
    throw wrong(name, messageOf(cause));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function wrong(name: string, detail: string): AppError {
  return new AppError('invalid', `${name}: ${detail}`, { field: name });
}

function text(value: string): string {
  return value;
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** `loopback` and the like are Express's words for ranges. */
function proxies(value: string): string[] {
  return list(value).map((item) => {
    if (['loopback', 'linklocal', 'uniquelocal'].includes(item)) return item;
    const parsed = parseAddress(item);
    if (parsed.kind === 'invalid') throw new Error(`${item} ${parsed.detail}`);
    return parsed.address.text;
  });
}

function listen(value: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:]+)):(\d{1,5})$/i.exec(value);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new Error('must be ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:8080');
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Errors do not show the value: a password stands in it. */
function databaseUrl(value: string): string {
  if (/^sqlite:./.test(value)) return value;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== 'mysql:') throw new Error('must be sqlite:PATH or mysql://user:password@host:3306/db');
  if (url.pathname.length < 2) throw new Error('must name the database, as in mysql://user:password@host:3306/db');
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'socketPath');
  if (unknown !== undefined) throw new Error(`has the parameter ${unknown}, which is not known; socketPath is`);
  if (url.hostname === '' && !url.searchParams.has('socketPath')) throw new Error('must name the host of the database');
  try {
    decodeURIComponent(`${url.username}${url.password}${url.pathname}`);
  } catch {
    throw new Error('has a % that must be written %25');
  }
  return value;
}

function publicUrl(value: string): string {
  if (value === '') return value;
  // It goes into lines for a shell.
  if (!URL.canParse(value) || !/^https?:\/\/[^\s'"`$\\?#]+$/.test(value)) {
    throw new Error('must be http://… or https://…, without a query');
  }
  return value.replace(/\/+$/, '');
}

/** In milliseconds; -1 for ever. */
function bantime(value: string): number {
  if (value === '-1') return -1;
  return whole(1, 3_155_760_000)(value) * 1_000;
}

function quorum(value: string): Quorum {
  const byJail = new Map<string, number>();
  let all = 1;
  for (const item of list(value)) {
    const split = item.lastIndexOf('=');
    const count = whole(1, 1_000)(item.slice(split + 1).trim());
    const jail = item.slice(0, Math.max(split, 0)).trim();
    if (split >= 0 && jail === '') throw new Error('has a number for a jail without a name');
    if (split < 0) all = count;
    else byJail.set(jail, count);
  }
  return { default: all, byJail };
}

function allowRanges(value: string): AllowableRange[] {
  return list(value).map((name) => {
    const range = ALLOWABLE_RANGES.find((known) => known === name);
    if (!range) throw new Error(`${name} is none of ${ALLOWABLE_RANGES.join(', ')}`);
    return range;
  });
}

function logLevel(value: string): 'error' | 'warn' | 'info' | 'debug' | 'silent' {
  const level = (['error', 'warn', 'info', 'debug', 'silent'] as const).find((known) => known === value);
  if (!level) throw new Error('must be error, warn, info or debug');
  return level;
}
