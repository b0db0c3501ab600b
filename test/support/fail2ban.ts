// Test support: a private, real fail2ban with its own configuration tree, database, socket and log, and our action files
// in it. Optionally in a network namespace. Jails read log files of their own by polling, so no service is needed.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';

/** In action lines, parameters and files, `@DIR@` stands for the instance's directory. */
export interface JailOptions {
  name: string;
  /** Action lines; the default is `banhub` and `banhub-matches`, with this instance's report.curl. */
  actions?: string[];
  /** Action lines behind those. */
  further?: string[];
  /** Parameters for the default action lines, such as `max_time=1`. */
  parameters?: string;
  maxretry?: number;
  bantime?: string;
  /** Further lines of the jail's section. */
  extra?: string[];
}

export interface Fail2banOptions {
  jails: JailOptions[];
  /** Written to the instance's report.curl. */
  report?: { url: string; token: string };
  /** Put before every command, such as `['ip', 'netns', 'exec', NAME]`. */
  prefix?: string[];
  /** Further files of the configuration tree: path below it, and content. */
  files?: Record<string, string>;
}

export interface ClientResult {
  code: number;
  stdout: string;
  stderr: string;
}

const STOCK = '/etc/fail2ban';
const STOCK_PARTS = /^(action\.d|filter\.d|fail2ban\.conf|jail\.conf|paths-.*\.conf)$/;
const ACTIONS = fileURLToPath(new URL('../../actions/', import.meta.url));
const READY_WITHIN_MS = 30_000;

const FILTER = `[Definition]
failregex = ^ failed login from <HOST>(?: |$)
datepattern = ^EPOCH
`;

/** Now, as log lines have it. fail2ban knows an epoch with three decimals, and passes over one with two. */
export function logTime(): string {
  return (Date.now() / 1000).toFixed(3);
}

/** Writes the configuration tree. Nothing runs before `start`. */
export async function createFail2ban(options: Fail2banOptions): Promise<Fail2ban> {
  const dir = await mkdtemp(join(tmpdir(), 'banhub-f2b-'));
  const config = join(dir, 'config');
  const inDir = (text: string) => text.replaceAll('@DIR@', dir);
  await mkdir(config);
  for (const name of await stockParts()) await cp(join(STOCK, name), join(config, name), { recursive: true });
  await mkdir(join(config, 'jail.d'));
  for (const name of await readdir(ACTIONS)) {
    if (name.endsWith('.conf')) await cp(join(ACTIONS, name), join(config, 'action.d', name));
  }
  await writeFile(join(config, 'filter.d', 'banhub-test.conf'), FILTER);
  await writeFile(join(config, 'fail2ban.local'), daemonSettings(dir));
  await writeFile(join(config, 'jail.local'), inDir(options.jails.map((jail) => jailSection(jail)).join('\n')));
  for (const [path, content] of Object.entries(options.files ?? {}))
    await writeFile(join(config, path), inDir(content));
  for (const jail of options.jails) await writeFile(join(dir, `${jail.name}.log`), '');
  const fail2ban = new Fail2ban(dir, options.prefix ?? []);
  if (options.report) await fail2ban.writeReportCurl(options.report);
  return fail2ban;
}

export class Fail2ban {
  /** Holds everything of this instance: `config/`, `report.curl`, `JAIL.log`, `fail2ban.log`. */
  readonly dir: string;
  readonly #prefix: string[];
  #server: ChildProcess | undefined;

  constructor(dir: string, prefix: string[]) {
    this.dir = dir;
    this.#prefix = prefix;
  }

  /** Starts the server and waits until it answers and every jail has read its log file once. */
  async start(): Promise<void> {
    const [command, ...args] = [...this.#prefix, 'fail2ban-server', '-f', ...this.#place()];
    const server = spawn(command!, args, { stdio: 'ignore' });
    this.#server = server;
    const deadline = Date.now() + READY_WITHIN_MS;
    while ((await this.client('ping')).code !== 0) {
      if (server.exitCode !== null) throw new Error(`fail2ban did not start:\n${await this.log()}`);
      if (Date.now() > deadline) throw new Error(`fail2ban is not ready:\n${await this.log()}`);
    }
  }

  /** As `systemctl stop` does. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    await this.client('stop');
    const kill = setTimeout(() => server.kill('SIGKILL'), READY_WITHIN_MS);
    await ended;
    clearTimeout(kill);
  }

  /** As a machine that shuts down does: SIGTERM to the server. */
  async terminate(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
  }

  /** As `systemctl restart` does: bans come back from fail2ban's own database. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** `fail2ban-client reload`, with its options, such as `--restart JAIL`. */
  async reload(...args: string[]): Promise<void> {
    const { code, stderr, stdout } = await this.client('reload', ...args);
    if (code !== 0) throw new Error(`reload: ${stdout}${stderr}`);
  }

  client(...args: string[]): Promise<ClientResult> {
    return this.#run('fail2ban-client', [...this.#place(), ...args]);
  }

  /** Bans by hand and returns when fail2ban took it; its actions may still run. */
  async ban(jail: string, ...addresses: string[]): Promise<void> {
    const { code, stdout, stderr } = await this.client('set', jail, 'banip', ...addresses);
    if (code !== 0) throw new Error(`banip: ${stdout}${stderr}`);
  }

  /** What the jail holds banned now. */
  async banned(jail: string): Promise<string[]> {
    const { stdout } = await this.client('get', jail, 'banip');
    return stdout.split(/\s+/).filter((word) => word !== '');
  }

  /** Appends failed logins to the jail's log file, stamped now; `detail` follows on each line. */
  async writeFailures(jail: string, address: string, count: number, detail = ''): Promise<void> {
    const line = `${logTime()} failed login from ${address} ${detail}`;
    await this.writeLogLines(jail, ...Array.from({ length: count }, () => line));
  }

  async writeLogLines(jail: string, ...lines: (string | Buffer)[]): Promise<void> {
    const bytes = lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')]);
    await appendFile(join(this.dir, `${jail}.log`), Buffer.concat(bytes));
  }

  /** fail2ban's own log. */
  async log(): Promise<string> {
    return readFile(join(this.dir, 'fail2ban.log'), 'utf8').catch(() => '');
  }

  /** How many bans fail2ban has written to its own database: what a restart brings back. */
  storedBans(): number {
    const database = new Database(join(this.dir, 'fail2ban.sqlite3'), { readonly: true, timeout: 5000 });
    try {
      const row = database.prepare('SELECT count(*) AS bans FROM bips').get() as { bans: number };
      return row.bans;
    } finally {
      database.close();
    }
  }

  /** Writes a file below `dir`, such as `config/jail.d/x.conf`. */
  async write(path: string, content: string): Promise<void> {
    await writeFile(join(this.dir, path), content);
  }

  async writeReportCurl(report: { url: string; token: string }): Promise<void> {
    const path = join(this.dir, 'report.curl');
    await writeFile(path, `url = "${report.url}"\nheader = "Authorization: Bearer ${report.token}"\n`);
    await chmod(path, 0o600);
  }

  /** Stops the server and removes everything of this instance. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  #place(): string[] {
    return ['-c', join(this.dir, 'config'), '-s', join(this.dir, 'sock'), '-p', join(this.dir, 'pid')];
  }

  #run(command: string, args: string[]): Promise<ClientResult> {
    const [first, ...rest] = [...this.#prefix, command, ...args];
    return new Promise((resolve) => {
      execFile(first!, rest, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) || 1 : 0, stdout, stderr });
      });
    });
  }
}

async function stockParts(): Promise<string[]> {
  const names = await readdir(STOCK).catch(() => [] as string[]);
  if (!names.includes('jail.conf')) throw new Error(`${STOCK}/jail.conf is missing: install fail2ban`);
  return names.filter((name) => STOCK_PARTS.test(name));
}

function daemonSettings(dir: string): string {
  return `[DEFAULT]
loglevel = INFO
logtarget = ${dir}/fail2ban.log
syslogsocket = no
socket = ${dir}/sock
pidfile = ${dir}/pid
dbfile = ${dir}/fail2ban.sqlite3
allowipv6 = yes
`;
}

function jailSection(jail: JailOptions): string {
  const ours = [
    'curl_config="@DIR@/report.curl"',
    'pause_file="@DIR@/banhub.pause"',
    ...(jail.parameters ? [jail.parameters] : []),
  ].join(', ');
  const actions = [...(jail.actions ?? [`banhub[${ours}]`, `banhub-matches[${ours}]`]), ...(jail.further ?? [])];
  return `[${jail.name}]
enabled = true
filter = banhub-test
backend = polling
usedns = no
ignoreself = false
logpath = @DIR@/${jail.name}.log
maxretry = ${jail.maxretry ?? 3}
findtime = 1h
bantime = ${jail.bantime ?? '1h'}
${(jail.extra ?? []).join('\n')}
action = ${actions.join('\n         ')}
`;
}
