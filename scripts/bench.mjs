// `npm run bench [-- NAME …]`: sees to everything that the benches need, builds, and runs them.
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';
import { requirePackages, requireRoot } from './system-packages.mjs';

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
requirePackages('The benches', [
  'mariadb-server',
  'fail2ban',
  'nginx',
  'wrk',
  'nftables',
  'ipset',
  'iptables',
  'iproute2',
  'curl',
]);
requireRoot('The benches');
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
