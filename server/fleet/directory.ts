// Fleet: the hosts, tokens and protected addresses as of one moment, in memory, so that asking costs no query.
import { createHash } from 'node:crypto';
import type { Clock, Credential, Position } from '../core/words.ts';
import { type ProtectionRules, Shield } from '../dedupe/protect.ts';
import type { FleetQueries } from '../store/fleet-queries.ts';
import type { WriteTransaction } from '../store/write-transaction.ts';

type Versions = Pick<Position, 'hostsVersion' | 'allowlistVersion'>;

export interface DirectoryOptions {
  readonly fleet: FleetQueries;
  readonly clock: Clock;
  readonly rules: ProtectionRules;
}

export class Directory {
  readonly #fleet: FleetQueries;
  readonly #clock: Clock;
  #versions: Versions = { hostsVersion: -1, allowlistVersion: -1 };
  #credentials: ReadonlyMap<string, Credential> = new Map();
  readonly #rules: ProtectionRules;
  #shield: Shield;

  constructor({ fleet, clock, rules }: DirectoryOptions) {
    this.#fleet = fleet;
    this.#clock = clock;
    this.#rules = rules;
    this.#shield = new Shield(rules, [], []);
  }

  /** Reads hosts and allowlist again when the database has newer ones. */
  async catchUp(position: Versions): Promise<void> {
    if (this.#isAt(position)) return;
    const [credentials, allowlist, hosts] = [
      await this.#fleet.credentials(),
      await this.#fleet.allowlist(this.#clock()),
      await this.#fleet.activeHosts(),
    ];
    this.#credentials = new Map(credentials.map((credential) => [credential.hash, credential]));
    this.#shield = new Shield(this.#rules, allowlist, hosts);
    this.#versions = { hostsVersion: position.hostsVersion, allowlistVersion: position.allowlistVersion };
  }

  /** The addresses that must not be published, as last read. */
  get shield(): Shield {
    return this.#shield;
  }

  /** The addresses that must not be published, exactly as this transaction sees them. */
  async shieldFor(tx: WriteTransaction): Promise<Shield> {
    if (this.#isAt(tx.position)) return this.#shield;
    return new Shield(this.#rules, await this.#fleet.allowlist(tx.now, tx), await this.#fleet.activeHosts(tx));
  }

  /** Whose token this is; undefined for an unknown or revoked one. */
  credentialOf(token: string): Credential | undefined {
    return this.#credentials.get(hashOf(token));
  }

  #isAt(position: Versions): boolean {
    return (
      position.hostsVersion === this.#versions.hostsVersion &&
      position.allowlistVersion === this.#versions.allowlistVersion
    );
  }
}

/** Tokens are 256 random bits, so that a plain SHA-256 keeps them as well as a slow hash would a password. */
export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
