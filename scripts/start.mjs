// `npm start` and `npm run banhub -- …`: installs and builds what is missing, then runs the hub's command line.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
installPackages();
await build();
await import('../dist/server/main.js');
