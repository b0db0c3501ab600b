// Test support: a host without Node, a network namespace of its own, that runs sync-client/banhub-sync.sh; beside it on the
// LAN its gateway, where the hub of the test answers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from '../../sync-client/command.ts';
import type { FakeHub } from '../support/fake-hub.ts';
import { createLan, type Host, type Lan } from '../support/namespaces.ts';

export const SCRIPT = fileURLToPath(new URL('../../sync-client/banhub-sync.sh', import.meta.url));

export const ADDRESSES = ['198.19.0.2', '2001:2:19::2'] as const;
export const GATEWAYS = ['198.19.0.1', '2001:2:19::1'] as const;
export const RESOLVER = '203.0.113.53';

export class ShHost {
  readonly lan: Lan;
  readonly host: Host;
  readonly dir: string;
  /** What the configuration file holds at the next run. */
  readonly settings: Record<string, string>;
  /** What runs the script; empty for what its first line names. */
  shell: string[] = [];

  private constructor(lan: Lan, host: Host, dir: string, settings: Record<string, string>) {
    this.lan = lan;
    this.host = host;
    this.dir = dir;
    this.settings = settings;
  }

  static async create(hub: FakeHub, settings: Record<string, string> = {}): Promise<ShHost> {
    const dir = await mkdtemp(join(tmpdir(), 'banhub-sh-'));
    const lan = await createLan();
    const gateway = await lan.addHost('gateway', { addresses: [`${GATEWAYS[0]}/24`, `${GATEWAYS[1]}/64`] });
    await gateway.relay(8080, hub.socketPath);
    const host = await lan.addHost('host', {
      addresses: [`${ADDRESSES[0]}/24`, `${ADDRESSES[1]}/64`],
      gateways: [...GATEWAYS],
      resolvConf: `nameserver ${RESOLVER}\n`,
    });
    return new ShHost(lan, host, dir, {
      BANHUB_URL: `http://${GATEWAYS[0]}:8080`,
      BANHUB_TOKEN: hub.token,
      BANHUB_ENFORCE: 'route',
      BANHUB_STATE_DIR: join(dir, 'state'),
      ...settings,
    });
  }

  /** Runs the script with the settings of now. */
  async sync(...args: string[]): Promise<CommandResult> {
    const lines = Object.entries(this.settings).map(([name, value]) => `${name}=${value}\n`);
    return this.syncWith(lines.join(''), ...args);
  }

  async syncWith(configuration: string, ...args: string[]): Promise<CommandResult> {
    const file = join(this.dir, 'sync.conf');
    await writeFile(file, configuration, { mode: 0o600 });
    return this.host.run([...this.shell, SCRIPT, '--config', file, ...args]);
  }

  async ip(...args: string[]): Promise<string> {
    return (await this.host.exec(['ip', ...args])).stdout;
  }

  async nft(...args: string[]): Promise<string> {
    return (await this.host.exec(['nft', ...args])).stdout;
  }

  /** What our blackhole routes block, sorted. */
  async routes(): Promise<string[]> {
    const text = (await this.ip('-4', 'route', 'show')) + (await this.ip('-6', 'route', 'show'));
    return [...text.matchAll(/^blackhole (\S+) .*proto 166 metric 4242/gm)].map(([, entry]) => entry!).sort();
  }

  /** What our nft sets hold, sorted. */
  async elements(): Promise<string[]> {
    const { stdout } = await this.host.run(['nft', '-j', 'list', 'table', 'inet', 'banhub']);
    if (stdout === '') return [];
    const { nftables } = JSON.parse(stdout) as { nftables: { set?: { elem?: Element[] } }[] };
    return nftables.flatMap(({ set }) => (set?.elem ?? []).map(elementText)).sort();
  }

  async remove(): Promise<void> {
    await this.lan.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

type Element = string | { prefix: { addr: string; len: number } };

function elementText(element: Element): string {
  return typeof element === 'string' ? element : `${element.prefix.addr}/${element.prefix.len}`;
}
