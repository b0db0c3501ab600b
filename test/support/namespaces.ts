// Test support: hosts as network namespaces on one LAN. Real kernels' worth of routes, nftables and ipset, and no traffic
// outside. Needs root and iproute2.
//
//   const lan = await createLan();
//   const host = await lan.addHost('b', { addresses: ['198.18.0.2/15', '2001:2::2/48'] });
//   await host.exec(['ip', 'route']);
//   await lan.close();
//
// Addresses are the caller's; 198.18.0.0/15 and 2001:2::/48 (benchmarking) may be banned and meet nobody.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type CommandResult, commandRunner, type RunCommand } from '../../sync-client/command.ts';

export interface HostOptions {
  /** With prefix length, IPv4 and IPv6. All hosts whose networks overlap reach each other. */
  addresses: string[];
  /** Default gateways, at most one per family. */
  gateways?: string[];
  /** Content of /etc/resolv.conf inside; without it the machine's own shows. */
  resolvConf?: string;
}

export interface Lan {
  /** `name` is for messages alone: every namespace's real name is unique. */
  addHost(name: string, options: HostOptions): Promise<Host>;
  /** Ends every process in the namespaces and removes all; also done when the test process ends without it. */
  close(): Promise<void>;
}

export interface Host {
  readonly name: string;
  /** Put before a command to run it in this host: `['ip', 'netns', 'exec', NAMESPACE]`. */
  readonly prefix: readonly string[];
  /** Runs a command in this host to its end, whatever its exit code. What enforcers take as their runner. */
  readonly run: RunCommand;
  /** Like `run`, but throws unless the exit code is 0. */
  exec(command: readonly string[], input?: string): Promise<CommandResult>;
  /** Starts a process in this host; ended by `close` at the latest. Its output is piped. */
  start(command: readonly string[], environment?: NodeJS.ProcessEnv): ChildProcess;
  /** Whether this host gets any answer from `address` within half a second, be it that the port is closed. */
  reaches(address: string, port?: number): Promise<boolean>;
  /**
   * Listens on a TCP port in this host and hands every connection to a Unix socket, so that a server in the test process
   * is reached from inside. Returns when it listens.
   */
  relay(port: number, socketPath: string): Promise<void>;
}

const open = new Set<() => void>();
process.on('exit', () => {
  for (const remove of open) remove();
});

let counter = 0;

/** A LAN with nobody on it yet. Its switch is a bridge in a namespace of its own. */
export async function createLan(): Promise<Lan> {
  const unique = `bh${process.pid.toString(36)}-${(counter++).toString(36)}`;
  const namespaces: string[] = [];
  const remove = (): void => {
    open.delete(remove);
    for (const namespace of namespaces.splice(0).reverse()) removeNamespace(namespace);
  };
  open.add(remove);
  const addNamespace = async (name: string): Promise<Host> => {
    const namespace = `${unique}-${name}`;
    await here(['ip', 'netns', 'add', namespace]);
    namespaces.push(namespace);
    const host = hostIn(namespace, name);
    await host.exec(['ip', 'link', 'set', 'lo', 'up']);
    return host;
  };

  const lan = await addNamespace('lan');
  await lan.exec(['ip', 'link', 'add', 'br0', 'type', 'bridge']);
  await lan.exec(['ip', 'link', 'set', 'br0', 'up']);
  let ports = 0;
  return {
    addHost: async (name, { addresses, gateways = [], resolvConf }) => {
      const host = await addNamespace(name);
      const namespace = host.prefix[3] ?? '';
      if (resolvConf !== undefined) {
        mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
        writeFileSync(`/etc/netns/${namespace}/resolv.conf`, resolvConf);
      }
      const port = `p${ports++}`;
      await lan.exec(['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
      await lan.exec(['ip', 'link', 'set', port, 'master', 'br0', 'up']);
      for (const address of addresses) {
        // Without nodad an IPv6 address may not be used for a second.
        await host.exec(['ip', 'address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : [])]);
      }
      await host.exec(['ip', 'link', 'set', 'eth0', 'up']);
      for (const gateway of gateways) await host.exec(['ip', 'route', 'add', 'default', 'via', gateway]);
      return host;
    },
    close: async () => remove(),
  };
}

const here = async (command: readonly string[]): Promise<CommandResult> => expectDone(command, await runHere(command));
const runHere = commandRunner(process.env);

function hostIn(namespace: string, name: string): Host {
  const prefix = ['ip', 'netns', 'exec', namespace];
  const run: RunCommand = (command, options) => runHere([...prefix, ...command], options);
  const start: Host['start'] = (command, environment = process.env) => {
    const [program = '', ...args] = [...prefix, ...command];
    return spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  };
  return {
    name,
    prefix,
    run,
    exec: async (command, input) => expectDone(command, await run(command, { input })),
    start,
    reaches: async (address, port = 9) => {
      // bash connects by itself; `timeout` ends with 124 where nothing comes back.
      const { code, stderr } = await run(['timeout', '0.5', 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`]);
      if (code !== 0 && code !== 124 && !/refused/i.test(stderr)) throw new Error(`cannot try ${address}: ${stderr}`);
      return code !== 124;
    },
    relay: async (port, socketPath) => {
      const script = `require('net').createServer((from) => {
        const to = require('net').connect(process.argv[1]);
        from.pipe(to).pipe(from);
        from.on('error', () => to.destroy());
        to.on('error', () => from.destroy());
      }).listen(Number(process.argv[2]), '::', () => console.log('listening'));`;
      const relay = start(['node', '-e', script, socketPath, String(port)]);
      await new Promise<void>((resolve, reject) => {
        let errors = '';
        relay.stderr?.on('data', (chunk: Buffer) => {
          errors += chunk.toString();
        });
        relay.stdout?.once('data', () => resolve());
        relay.once('exit', () => reject(new Error(`the relay in ${name} ended: ${errors}`)));
      });
    },
  };
}

function expectDone(command: readonly string[], result: CommandResult): CommandResult {
  if (result.code === 0) return result;
  throw new Error(`${command.join(' ')}: exit code ${result.code}: ${result.stderr.trim() || result.stdout.trim()}`);
}

function removeNamespace(namespace: string): void {
  // Only what lives in this namespace, which only this test made.
  const processes = quietly(['ip', 'netns', 'pids', namespace]).split('\n').filter(Boolean);
  for (const each of processes) {
    try {
      process.kill(Number(each), 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
  quietly(['ip', 'netns', 'delete', namespace]);
  rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
}

function quietly([program = '', ...args]: string[]): string {
  try {
    return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  } catch {
    return '';
  }
}
