// Installs npm packages when package-lock.json has changed since the last time.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { requirePackages } from './system-packages.mjs';

const STAMP = 'node_modules/.installed-lock';

/** Call with the project as working directory. Ends the process when npm fails. */
export function installPackages() {
  const lock = readFileSync('package-lock.json', 'utf8');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return;
  process.stderr.write('Installing npm packages; the SQLite driver may have to be compiled, which takes a minute …\n');
  if (!npmInstalls()) {
    // Where npm finds no compiled driver for this system, it needs a compiler.
    requirePackages('The npm packages', ['python3', 'make', 'g++']);
    if (!npmInstalls()) process.exit(1);
  }
  writeFileSync(STAMP, lock);
}

function npmInstalls() {
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
  return npm.status === 0;
}
