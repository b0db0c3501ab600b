// Debian and Ubuntu packages that something here needs: installed when we are root, named otherwise.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** A file that shows that a package is there, by the package's name. */
const SHOWN_BY = {
  curl: '/usr/bin/curl',
  fail2ban: '/usr/bin/fail2ban-server',
  'g++': '/usr/bin/g++',
  iproute2: '/usr/sbin/ip',
  ipset: '/usr/sbin/ipset',
  iptables: '/usr/sbin/iptables',
  make: '/usr/bin/make',
  'mariadb-server': '/usr/sbin/mariadbd',
  nftables: '/usr/sbin/nft',
  nginx: '/usr/sbin/nginx',
  openssl: '/usr/bin/openssl',
  python3: '/usr/bin/python3',
  wrk: '/usr/bin/wrk',
};

/** Ends the process, with the command to give, when something is missing and cannot be installed. */
export function requirePackages(purpose, packages) {
  const missing = packages.filter((name) => !existsSync(SHOWN_BY[name]));
  if (missing.length === 0) return;
  const install = `apt-get install --yes ${missing.join(' ')}`;
  if (process.getuid() !== 0) fail(`${purpose} need ${missing.join(', ')}. As root:\n  ${install}`);
  process.stderr.write(`Installing ${missing.join(', ')} …\n`);
  const quietly = { stdio: ['ignore', 'ignore', 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  spawnSync('apt-get', ['update', '-qq'], quietly);
  const apt = spawnSync('apt-get', ['install', '--yes', '-qq', '--no-install-recommends', ...missing], quietly);
  if (apt.status !== 0) fail(`${purpose} need ${missing.join(', ')}, and this failed:\n  ${install}`);
}

export function requireRoot(purpose) {
  if (process.getuid() !== 0) fail(`${purpose} make network namespaces and kernel routes: run them as root.`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
