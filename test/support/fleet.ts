// A whole fleet on one machine: the hub as a process, hosts and attackers as network namespaces on one LAN.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type Client, createClient } from '../sync-client/client-process.ts';
import { createFail2ban, type Fail2ban } from './fail2ban.ts';
import { ROOT } from './hub.ts';
import { createLan, type Host, type Lan } from './namespaces.ts';

const MAIN = `${ROOT}/dist/server/main.js`;
const PORT = 8080;

export class Fleet {
  readonly url = `http://198.18.0.1:${PORT}`;
  readonly #lan: Lan;
  readonly #machine: Host;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #clients: Client[] = [];
  readonly #fail2bans: Fail2ban[] = [];
  #hub: ChildProcess | undefined;
  #log = '';
  #hosts = 10;

  private constructor(lan: Lan, machine: Host, database: string) {
    this.#lan = lan;
    this.#machine = machine;
    this.#environment = { ...process.env, BANHUB_DATABASE_URL: database, BANHUB_LISTEN: `[::]:${PORT}` };
  }

  /** Starts the hub, at 198.18.0.1 and 2001:2::1. */
  static async start(database: string): Promise<Fleet> {
    const lan = await createLan();
    const machine = await lan.addHost('hub', { addresses: ['198.18.0.1/15', '2001:2::1/48'] });
    const fleet = new Fleet(lan, machine, database);
    await fleet.startHub();
    return fleet;
  }

  async startHub(): Promise<void> {
    const hub = this.#machine.start([process.execPath, MAIN], this.#environment);
    this.#hub = hub;
    hub.stderr?.on('data', (chunk) => {
      this.#log += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      hub.stdout?.on('data', (chunk) => String(chunk).includes('is running') && resolve());
      hub.once('exit', () => reject(new Error(`the hub ended: ${this.#log}`)));
    });
  }

  async stopHub(): Promise<void> {
    const hub = this.#hub;
    this.#hub = undefined;
    if (!hub || hub.exitCode !== null) return;
    const ended = once(hub, 'exit');
    hub.kill('SIGTERM');
    await ended;
  }

  /** A machine on the LAN; `name` must be short. */
  async addMachine(name: string, last = ++this.#hosts): Promise<Host> {
    return this.#lan.addHost(name, { addresses: [`198.18.0.${last}/15`, `2001:2::${last}/48`] });
  }

  /** Enrols a host as an administrator does, and returns its token. */
  enrol(name: string, scopes = 'report,pull'): string {
    const args = [MAIN, 'host', 'add', name, '--scope', scopes];
    return execFileSync(process.execPath, args, { env: this.#environment, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  }

  /** A machine whose fail2ban watches a log with the jail `sip`, and reports to the hub. */
  async addReporter(name: string): Promise<Fail2ban> {
    const machine = await this.addMachine(name);
    const report = { url: `${this.url}/api/v1/reports`, token: this.enrol(name) };
    const fail2ban = await createFail2ban({ jails: [{ name: 'sip' }], report, prefix: [...machine.prefix] });
    this.#fail2bans.push(fail2ban);
    await fail2ban.start();
    return fail2ban;
  }

  /** A machine that enforces the list, asking every second. */
  async addEnforcer(name: string, enforce: string): Promise<Host> {
    const machine = await this.addMachine(name);
    const settings = {
      BANHUB_URL: this.url,
      BANHUB_TOKEN: this.enrol(name),
      BANHUB_ENFORCE: enforce,
      BANHUB_INTERVAL: '1',
    };
    const client = await createClient(machine, settings);
    this.#clients.push(client);
    client.startDaemon();
    return machine;
  }

  /** What curl prints on the hub's machine. */
  async curl(token: string, path: string, ...options: string[]): Promise<string> {
    const { stdout } = await this.#machine.exec([
      'curl',
      '-sS',
      '-f',
      '-H',
      `Authorization: Bearer ${token}`,
      ...options,
      `${this.url}${path}`,
    ]);
    return stdout;
  }

  async list(token: string): Promise<string[]> {
    return (await this.curl(token, '/blocklist.txt')).split('\n').slice(0, -1);
  }

  async close(): Promise<void> {
    for (const fail2ban of this.#fail2bans) await fail2ban.remove();
    await this.stopHub();
    await this.#lan.close();
    for (const client of this.#clients) await client.remove();
  }
}
