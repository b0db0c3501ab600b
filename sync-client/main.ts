#!/usr/bin/env node
// Sync client, the command line: what to do comes in, an exit code goes out. Here everything is put together.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { checkAll } from './check.ts';
import { commandRunner } from './command.ts';
import { type Config, ConfigError, DEFAULT_FILE, loadConfig, SETTINGS } from './config.ts';
import { choiceOf, createEnforcer } from './enforce/create-enforcers.ts';
import type { Enforcer } from './enforce/enforcer.ts';
import { Enforcement } from './enforcement.ts';
import { flushAll } from './flush.ts';
import type { Hub } from './hub-request.ts';
import { takeLock } from './lock.ts';
import { logToStderr as log } from './log.ts';
import { runDaemon } from './run.ts';
import { StateFolder } from './state.ts';
import { describeStatus } from './status.ts';
import { Sync } from './sync.ts';
import { readGateways, readVitals } from './vital-addresses.ts';

/** Put in by the bundler. */
declare const BANHUB_VERSION: string | undefined;

const DONE = 0;
const FAILED = 1;
const MISUSED = 2;

const COMMANDS = ['once', 'run', 'status', 'check', 'flush'] as const;
type Command = (typeof COMMANDS)[number];

interface Parts {
  readonly config: Config;
  readonly configFile: string;
  readonly accept: boolean;
  readonly hub: Hub;
  readonly state: StateFolder;
  readonly enforcers: readonly Enforcer[];
  readonly enforcerNamed: (name: string) => Enforcer | undefined;
}

async function main(args: readonly string[]): Promise<number> {
  const asked = parseCommandLine(args);
  switch (asked.kind) {
    case 'help':
      return tell(helpText(), DONE);
    case 'version':
      return tell(`banhub-sync ${typeof BANHUB_VERSION === 'string' ? BANHUB_VERSION : 'dev'}`, DONE);
    case 'misuse':
      log(`banhub-sync: ${asked.detail}; banhub-sync --help tells more`);
      return MISUSED;
    case 'command':
      return COMMAND_TABLE[asked.command](assemble(loadConfig(asked.file), asked.file, asked.accept));
  }
}

const COMMAND_TABLE: Record<Command, (parts: Parts) => Promise<number>> = {
  once: (parts) => withLock(parts, 'once', once),
  run: (parts) => withLock(parts, 'run', run),
  flush: (parts) =>
    withLock(parts, 'flush', async ({ enforcers, enforcerNamed, state }) =>
      (await flushAll({ enforcers, enforcerNamed, state, log })) ? DONE : FAILED,
    ),
  status: async ({ state, enforcers }) => {
    const { ok, lines } = await describeStatus(await state.readStatus(), enforcers);
    return tell(lines.join('\n'), ok ? DONE : FAILED);
  },
  check: async ({ config, configFile, hub, enforcers }) => {
    const secretFiles = [config.BANHUB_TOKEN_FILE || configFile];
    const findings = await checkAll({ hub, enforcers, stateFolder: config.BANHUB_STATE_DIR, secretFiles });
    const lines = findings.map(({ ok, text }) => `${ok ? 'ok  ' : 'FAIL'}  ${text}`);
    return tell(lines.join('\n'), findings.every(({ ok }) => ok) ? DONE : FAILED);
  },
};

async function once(parts: Parts): Promise<number> {
  const { sync } = createSync(parts);
  await sync.open();
  const { ok, changed } = await sync.full({ accept: parts.accept });
  if (!ok) return FAILED;
  return tell(`revision ${sync.revision}, ${sync.entries} entries, ${changed} changed`, DONE);
}

async function run(parts: Parts): Promise<number> {
  const { sync, enforcement } = createSync(parts);
  const stop = new AbortController();
  let wake = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  process.on('SIGHUP', () => wake.abort());
  await sync.open();
  log(`started: ${parts.hub.url.href}, ${enforcement.names.join(', ')}`);
  await runDaemon({
    sync,
    interval: parts.config.BANHUB_INTERVAL * 1000,
    fullInterval: parts.config.BANHUB_FULL_INTERVAL * 1000,
    acceptFile: parts.state.path('accept'),
    stop: stop.signal,
    wake: () => {
      if (wake.signal.aborted) wake = new AbortController();
      return wake.signal;
    },
  });
  log('stopped; what is enforced stays enforced');
  return DONE;
}

function createSync({ config, hub, state, enforcers, enforcerNamed }: Parts): { sync: Sync; enforcement: Enforcement } {
  const enforcement = new Enforcement({ enforcers, log });
  const sync = new Sync({
    hub,
    enforcement,
    enforcerNamed,
    state,
    limits: {
      maxEntries: config.BANHUB_MAX_ENTRIES,
      maxShrinkPercent: config.BANHUB_MAX_SHRINK,
      maxGrowthPercent: config.BANHUB_MAX_GROWTH,
      freeShrink: config.BANHUB_FREE_SHRINK,
      freeGrowth: config.BANHUB_FREE_GROWTH,
    },
    readVitals: (lastSeen) => readVitals({ hub: hub.url, keep: config.BANHUB_KEEP, lastSeen }),
    readGateways,
    now: () => new Date(),
    log,
  });
  return { sync, enforcement };
}

function assemble(config: Config, file: string | undefined, accept: boolean): Parts {
  const command = commandRunner(config.commandEnvironment);
  return {
    config,
    configFile: file ?? DEFAULT_FILE,
    accept,
    hub: {
      url: config.BANHUB_URL,
      token: config.BANHUB_TOKEN,
      caFile: config.BANHUB_CA_FILE,
      connectTimeLimit: config.BANHUB_CONNECT_TIMEOUT * 1000,
      timeLimit: config.BANHUB_TIMEOUT * 1000,
      // The longest line is an IPv6 network of 43 characters.
      mostBytes: Math.max(1_000_000, config.BANHUB_MAX_ENTRIES * 44),
    },
    state: new StateFolder(config.BANHUB_STATE_DIR),
    enforcers: config.BANHUB_ENFORCE.map((choice) => createEnforcer(choice, config, command)),
    enforcerNamed: (name) => {
      const choice = choiceOf(name);
      return choice && createEnforcer(choice, config, command);
    },
  };
}

/** One at a time in a state folder. `once --accept` beside a daemon tells the daemon. */
async function withLock(parts: Parts, command: Command, work: (parts: Parts) => Promise<number>): Promise<number> {
  await parts.state.create();
  const lock = await takeLock(parts.config.BANHUB_STATE_DIR, command);
  if (lock.kind === 'busy') {
    const holder = `banhub-sync ${lock.command} (process ${lock.pid})`;
    if (command === 'once' && lock.command === 'run' && parts.accept) {
      await writeFile(parts.state.path('accept'), '', { mode: 0o600 });
      process.kill(lock.pid, 'SIGHUP');
      return tell(`${holder} is at work: it was told to take the hub's list as it is`, DONE);
    }
    log(`${holder} is at work in ${parts.config.BANHUB_STATE_DIR}: nothing done`);
    return FAILED;
  }
  try {
    return await work(parts);
  } finally {
    await lock.release();
  }
}

type Asked =
  | { kind: 'help' | 'version' }
  | { kind: 'misuse'; detail: string }
  | { kind: 'command'; command: Command; file: string | undefined; accept: boolean };

function parseCommandLine(args: readonly string[]): Asked {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        accept: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
    if (values.help) return { kind: 'help' };
    if (values.version) return { kind: 'version' };
    const command = COMMANDS.find((each) => each === positionals[0]);
    if (positionals.length !== 1 || !command)
      return { kind: 'misuse', detail: `one of ${COMMANDS.join(', ')} is needed` };
    if (values.accept && command !== 'once') return { kind: 'misuse', detail: '--accept goes with once alone' };
    return { kind: 'command', command, file: values.config, accept: values.accept ?? false };
  } catch (error) {
    return { kind: 'misuse', detail: messageOf(error) };
  }
}

function helpText(): string {
  const settings = Object.entries(SETTINGS).map(
    ([name, { default: fallback, meaning }]) =>
      `  ${name}\n      ${meaning}${fallback === undefined ? ' Required.' : fallback === '' ? '' : ` Default: ${fallback}`}`,
  );
  return `Pulls the fleet's blocklist from a Banhub hub and enforces it on this host.

banhub-sync COMMAND [--config FILE]

  once     one round: pull, compare with all that is enforced, enforce (for cron)
  once --accept   take the list even if the guards against shrinking and growing refuse it
  run      a round each interval, until SIGTERM; SIGHUP: a full round now
  status   what was pulled, what is enforced, the last error
  check    would it work here: settings, hub, token, programs, permission; changes nothing
  flush    remove all that was ever set, and nothing else; needs no hub

Exit code: 0 done; 1 something failed, what is enforced stays; 2 wrong arguments or settings.

Settings, in FILE (default ${DEFAULT_FILE}; NAME=VALUE lines) and in the environment, which wins:

${settings.join('\n')}`;
}

function tell(text: string, exitCode: number): number {
  process.stdout.write(`${text}\n`);
  return exitCode;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    log(`banhub-sync: ${messageOf(error)}`);
    process.exitCode = error instanceof ConfigError ? MISUSED : FAILED;
  },
);
