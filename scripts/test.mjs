// `npm test`: sees to everything that the tests need, checks types and style, and runs every test.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';

/** A file that shows that a Debian package is there, and the package. */
const NEEDED = [
  ['/usr/sbin/mariadbd', 'mariadb-server'],
  ['/usr/bin/fail2ban-server', 'fail2ban'],
  ['/usr/sbin/nft', 'nftables'],
  ['/usr/sbin/ipset', 'ipset'],
  ['/usr/sbin/iptables', 'iptables'],
  ['/usr/sbin/ip', 'iproute2'],
  ['/usr/bin/curl', 'curl'],
  ['/usr/bin/openssl', 'openssl'],
];

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
installSystemPackages();
installPackages();
await build();
run('node_modules/.bin/tsc', ['--noEmit']);
run('node_modules/.bin/biome', ['check', '.']);
run('node_modules/.bin/mocha', process.argv.slice(2));

function installSystemPackages() {
  const missing = NEEDED.filter(([file]) => !existsSync(file)).map(([, name]) => name);
  if (missing.length > 0) {
    const install = `apt-get install --yes ${missing.join(' ')}`;
    if (process.getuid() !== 0) fail(`The tests need ${missing.join(', ')}. As root:\n  ${install}`);
    process.stderr.write(`Installing ${missing.join(', ')} …\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quietly = { stdio: ['ignore', 'ignore', 2], env };
    spawnSync('apt-get', ['update', '-qq'], quietly);
    const apt = spawnSync('apt-get', ['install', '--yes', '-qq', '--no-install-recommends', ...missing], quietly);
    if (apt.status !== 0) fail(`apt-get failed. The tests need: ${install}`);
  }
  if (process.getuid() !== 0) fail('The tests make network namespaces and kernel routes: run them as root.');
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
