// `npm start` and `npm run banhub -- …`: installs and builds what is missing, then runs the hub's command line.
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
installPackages();
await build();
const hub = spawn(process.execPath, ['dist/server/main.js', ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => hub.kill(signal));
hub.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
