// Builds dist/ when it is older than its sources: the hub, and the sync client as one file for Node 18 and later.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const STAMP = 'dist/built';

function newestBelow(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newestBelow(join(path, name))));
}

/** Call with the project as working directory and npm packages installed. */
export async function build() {
  const newest = Math.max(...['server', 'sync-client', 'scripts/build.mjs', 'package.json'].map(newestBelow));
  if (existsSync(STAMP) && statSync(STAMP).mtimeMs > newest) return;
  const { build: bundle, stop } = await import('esbuild');
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const shared = {
    bundle: true,
    platform: 'node',
    logLevel: 'warning',
    define: { BANHUB_VERSION: JSON.stringify(version) },
  };
  await bundle({
    ...shared,
    entryPoints: ['server/main.ts'],
    outfile: 'dist/server/main.js',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    sourcemap: true,
  });
  await bundle({
    ...shared,
    entryPoints: ['sync-client/main.ts'],
    outfile: 'dist/sync-client/main.js',
    target: 'node18',
    format: 'cjs',
  });
  // The file is copied to hosts by itself, where .js means CommonJS; here the package says otherwise.
  mkdirSync('dist/sync-client', { recursive: true });
  writeFileSync('dist/sync-client/package.json', '{ "type": "commonjs" }\n');
  await stop();
  writeFileSync(STAMP, '');
}

if (import.meta.filename === process.argv[1]) await build();
