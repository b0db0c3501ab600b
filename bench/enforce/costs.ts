// Bench: what commands inside a namespace cost, in several runs.
import { type Figure, figureOf } from '../comparison.ts';
import { type CommandCost, cpuTimeOf, timeCommand } from '../cpu-time.ts';
import type { NetworkNamespace } from './network-namespace.ts';

export interface Place {
  readonly namespace: NetworkNamespace;
  /** The process id of a server whose CPU time counts with the command's. */
  readonly server?: number | undefined;
}

/** `input`: a file for the command's standard input. @throws Error when the command fails. */
export async function costOf(place: Place, command: readonly string[], input?: string): Promise<CommandCost> {
  const { namespace, server } = place;
  const before = server ? cpuTimeOf(server) : 0;
  const { wall, cpu } = await timeCommand(command, { prefix: namespace.prefix, input });
  return { wall, cpu: cpu + (server ? cpuTimeOf(server) - before : 0) };
}

/** Milliseconds of several runs. */
export class Costs {
  readonly #walls: number[] = [];
  readonly #cpus: number[] = [];

  add({ wall, cpu }: CommandCost): void {
    this.#walls.push(wall);
    this.#cpus.push(cpu);
  }

  get wall(): Figure {
    return figureOf(this.#walls);
  }

  get cpu(): Figure {
    return figureOf(this.#cpus);
  }
}
