// `npm run bench [-- NAME …]`: sees to everything that the benches need, builds, and runs them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';

/** A file that shows that a Debian package is there, and the package. */
const NEEDED = [
  ['/usr/sbin/mariadbd', 'mariadb-server'],
  ['/usr/bin/fail2ban-server', 'fail2ban'],
  ['/usr/sbin/nginx', 'nginx'],
  ['/usr/bin/wrk', 'wrk'],
  ['/usr/sbin/nft', 'nftables'],
  ['/usr/sbin/ipset', 'ipset'],
  ['/usr/sbin/iptables', 'iptables'],
  ['/usr/sbin/ip', 'iproute2'],
  ['/usr/bin/curl', 'curl'],
];

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
installSystemPackages();
installPackages();
await build();
const bench = spawn(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// Ctrl-C reaches it by itself, and it cleans up first.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => bench.kill('SIGTERM'));
bench.on('exit', (code) => {
  process.exitCode = code ?? 1;
});

function installSystemPackages() {
  const missing = NEEDED.filter(([file]) => !existsSync(file)).map(([, name]) => name);
  if (missing.length > 0) {
    const install = `apt-get install --yes ${missing.join(' ')}`;
    if (process.getuid() !== 0) fail(`The benches need ${missing.join(', ')}. As root:\n  ${install}`);
    process.stderr.write(`Installing ${missing.join(', ')} …\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quietly = { stdio: ['ignore', 'ignore', 2], env };
    spawnSync('apt-get', ['update', '-qq'], quietly);
    const apt = spawnSync('apt-get', ['install', '--yes', '-qq', '--no-install-recommends', ...missing], quietly);
    if (apt.status !== 0) fail(`apt-get failed. The benches need: ${install}`);
  }
  if (process.getuid() !== 0) fail('The benches make network namespaces and kernel routes: run them as root.');
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
