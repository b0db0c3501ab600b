// Bench: a network namespace of our own: routes, nftables and ipsets in it are nobody else's.
import { execFile, execFileSync } from 'node:child_process';

export class NetworkNamespace {
  readonly name: string;

  /** With loopback up, and nothing else. */
  constructor(name: string) {
    this.name = name;
    execFileSync('ip', ['netns', 'add', name]);
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }

  /** Put before a command, it runs inside. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** Runs a line of shell inside. */
  shell(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const [program = '', ...args] = [...this.prefix, 'sh', '-c', line];
      execFile(program, args, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) || 1 : 0, stdout, stderr });
      });
    });
  }

  /** Runs a line of shell inside and returns its output. @throws Error when it fails. */
  async expect(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.shell(line);
    if (code !== 0) throw new Error(`${line}: exit code ${code}: ${stderr}`);
    return stdout;
  }

  /** Removes it with all that is in it. Processes inside must have ended. */
  remove(): void {
    execFileSync('ip', ['netns', 'delete', this.name]);
  }
}
