// Installs npm packages when package-lock.json has changed since the last time.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const STAMP = 'node_modules/.installed-lock';

/** Call with the project as working directory. Ends the process when npm fails. */
export function installPackages() {
  const lock = readFileSync('package-lock.json', 'utf8');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return;
  process.stderr.write('Installing npm packages; the database driver is compiled, which takes a minute …\n');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
  if (npm.status !== 0) {
    process.stderr.write(
      '\nnpm could not install the packages. If it could not compile better-sqlite3, this helps (as root):\n' +
        '  apt-get install --yes python3 make g++\n',
    );
    process.exit(1);
  }
  writeFileSync(STAMP, lock);
}
