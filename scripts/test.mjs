// `npm test`: sees to everything that the tests need, checks types and style, and runs every test.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';
import { requirePackages, requireRoot } from './system-packages.mjs';

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
requirePackages('The tests', [
  'mariadb-server',
  'fail2ban',
  'nftables',
  'ipset',
  'iptables',
  'iproute2',
  'curl',
  'openssl',
]);
requireRoot('The tests');
installPackages();
await build();
run('node_modules/.bin/tsc', ['--noEmit']);
run('node_modules/.bin/biome', ['check', '.']);
run('node_modules/.bin/mocha', process.argv.slice(2));

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
