// Bench: the ways to enforce, each with the bare command that does the same. Lines are shell, inside a namespace.

/** A command as an administrator would type it, for a text in a file. */
export interface BareCommand {
  readonly command: (file: string) => readonly string[];
  /** Whether it reads its file as standard input. */
  readonly fromInput?: boolean;
}

export interface Peer {
  readonly name: string;
  readonly save: string;
}

export interface Enforced {
  /** As in BANHUB_ENFORCE, without a path. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** The bare command by its name, and what prints what the client set as its text: so both do just the same. */
  readonly peers: readonly [Peer, ...Peer[]];
  readonly apply: BareCommand;
  /** Text for the bare command that adds or removes these addresses. */
  readonly change: (verb: 'add' | 'remove', addresses: readonly string[]) => string;
  /** Prints all that is held now. */
  readonly held: string;
  /** Succeeds when this address is held. */
  readonly holds: (address: string) => string;
  readonly clear: string;
}

const ROUTE = 'proto 166 metric 4242';

export const byRoute: Enforced = {
  name: 'route',
  settings: { BANHUB_ENFORCE: 'route' },
  peers: [{ name: 'ip -batch', save: "ip route show proto 166 | sed 's/^/route add /; s/$/ proto 166/'" }],
  apply: { command: (file) => ['ip', '-batch', file] },
  change: (verb, addresses) =>
    addresses.map((each) => `route ${verb === 'add' ? 'add' : 'del'} blackhole ${each} ${ROUTE}\n`).join(''),
  held: 'ip route show type blackhole',
  holds: (address) => `ip route show ${address}/32 | grep -q .`,
  clear: 'ip route flush type blackhole',
};

export const byNftables: Enforced = {
  name: 'nftables',
  settings: { BANHUB_ENFORCE: 'nftables' },
  // As an administrator writes it; and with the size that the client gives its sets, which makes them faster to fill.
  peers: [
    { name: 'nft -f', save: "nft list ruleset | sed '/^[[:space:]]*size /d'" },
    { name: 'nft -f, with size', save: 'nft list ruleset' },
  ],
  apply: { command: (file) => ['nft', '-f', file] },
  change: (verb, addresses) =>
    `${verb === 'add' ? 'add' : 'delete'} element inet banhub single4 { ${addresses.join(', ')} }\n`,
  held: 'nft list set inet banhub single4',
  holds: (address) => `nft get element inet banhub single4 '{ ${address} }'`,
  clear: 'nft flush ruleset',
};

export const byIpset: Enforced = {
  name: 'ipset',
  settings: { BANHUB_ENFORCE: 'ipset' },
  peers: [{ name: 'ipset restore', save: 'ipset save' }],
  apply: { command: () => ['ipset', 'restore'], fromInput: true },
  change: (verb, addresses) => addresses.map((each) => `${verb === 'add' ? 'add' : 'del'} banhub4 ${each}\n`).join(''),
  held: 'ipset save banhub4',
  holds: (address) => `ipset test banhub4 ${address}`,
  // The set of sets first: what is used by it cannot be destroyed.
  clear: 'iptables -t raw -F; ip6tables -t raw -F; ipset destroy banhub; ipset destroy',
};

export function byFile(path: string, curlConfig: string): Enforced {
  return {
    name: 'file',
    settings: { BANHUB_ENFORCE: `file:${path}` },
    peers: [{ name: 'curl -o', save: 'true' }],
    apply: { command: () => ['curl', '-sS', '-K', curlConfig, '-o', path] },
    change: () => '',
    held: `cat ${path}`,
    holds: (address) => `grep -qx ${address} ${path}`,
    clear: `rm -f ${path}`,
  };
}

/** `jail` must be there, and without an action: what is measured is the way to it. */
export function byFail2ban(socket: string, jail: string): Enforced {
  const client = `fail2ban-client -s ${socket}`;
  // One call with all addresses, each an argument.
  const spread: BareCommand = { command: (file) => ['sh', '-c', `exec ${client} set ${jail} $(cat ${file})`] };
  return {
    name: 'fail2ban',
    settings: { BANHUB_ENFORCE: 'fail2ban', BANHUB_FAIL2BAN_JAIL: jail, BANHUB_FAIL2BAN_SOCKET: socket },
    peers: [{ name: 'one banip call', save: `echo banip; ${client} get ${jail} banip` }],
    apply: spread,
    change: (verb, addresses) => [verb === 'add' ? 'banip' : 'unbanip', ...addresses].join(' '),
    held: `${client} get ${jail} banip`,
    holds: (address) => `${client} get ${jail} banip | grep -qw ${address}`,
    clear: `${client} unban --all`,
  };
}
