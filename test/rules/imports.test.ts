// The rules of the folders: imports point inwards, and a few things stand in one place only.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { ROOT } from '../support/hub.ts';

interface Source {
  file: string;
  text: string;
  /** Files of ours that it imports, relative to the root, and packages. */
  imports: string[];
}

const sources = ['server', 'sync-client'].flatMap((folder) => below(folder)).map(read);

function below(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return below(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

function read(file: string): Source {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const imports = [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), name)) : name,
  );
  return { file, text, imports };
}

/** Lines "FILE imports NAME" for every import in `folder` that is not allowed. */
function strays(folder: string, isAllowed: (name: string) => boolean): string[] {
  return sources
    .filter(({ file }) => file.startsWith(`${folder}/`))
    .flatMap(({ file, imports }) =>
      imports.filter((name) => !isAllowed(name)).map((name) => `${file} imports ${name}`),
    );
}

describe('The folders', () => {
  it('are all looked at', () => {
    assert.ok(sources.length > 50, `${sources.length} files`);
    assert.ok(sources.find(({ file }) => file === 'server/app.ts')?.imports.includes('server/store/store.ts'));
  });

  it('core imports nothing of ours but core, and does no input or output', () => {
    assert.deepEqual(
      strays('server/core', (name) => name.startsWith('server/core/') || name === 'ipaddr.js'),
      [],
    );
  });

  it('dedupe never sees HTTP', () => {
    assert.deepEqual(
      strays('server/dedupe', (name) => !/express|^node:http|^server\/(http|publish|admin|collect)\//.test(name)),
      [],
    );
  });

  it('only store speaks SQL', () => {
    for (const { file, imports, text } of sources.filter(({ file }) => !file.startsWith('server/store/'))) {
      assert.ok(!imports.some((name) => /^(kysely|mysql2|better-sqlite3)/.test(name)), file);
      assert.doesNotMatch(text, /\b(SELECT .* FROM|INSERT INTO|DELETE FROM)\b/, file);
    }
  });

  it('store knows nothing of HTTP or of the folders that use it', () => {
    assert.deepEqual(
      strays('server/store', (name) => !name.startsWith('server/') || /^server\/(store|core)\//.test(name)),
      [],
    );
  });

  it('http knows nothing of bans', () => {
    assert.deepEqual(
      strays('server/http', (name) => !name.startsWith('server/') || /^server\/(http|core)\//.test(name)),
      [],
    );
  });

  it('the sync client takes core alone from the server', () => {
    assert.deepEqual(
      strays('sync-client', (name) => !name.startsWith('server/') || name.startsWith('server/core/')),
      [],
    );
  });

  it('no source imports a test', () => {
    assert.deepEqual(
      sources.filter(({ imports }) => imports.some((name) => name.startsWith('test/'))).map(({ file }) => file),
      [],
    );
  });

  it('process.env stands only in the two config files, process.exit only in the two command lines', () => {
    const having = (pattern: RegExp) => sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);
    assert.deepEqual(having(/^(?!\s*(\/\/|\*)).*process\.env/m), ['server/config.ts', 'sync-client/config.ts']);
    assert.deepEqual(
      having(/process\.exit\(/).filter((file) => !/^(server|sync-client)\/main\.ts$/.test(file)),
      [],
    );
  });

  it('no file is named utils, helpers, common, manager or service, and none has a default export', () => {
    for (const { file, text } of sources) {
      assert.doesNotMatch(file, /util|helper|common|manager|service/);
      assert.doesNotMatch(text, /^export default/m, file);
      assert.match(file, /^[a-z0-9/-]+\.tsx?$/, 'kebab-case');
      assert.match(text, /^(#!.*\n)?\/\//, `${file} opens with what it is`);
    }
  });
});

describe('Migrations', () => {
  it('come in pairs, numbered without gaps', () => {
    const [mysql, sqlite] = ['mysql', 'sqlite'].map((engine) => readdirSync(join(ROOT, 'sql', engine)).sort());
    assert.deepEqual(mysql, sqlite);
    assert.deepEqual(
      mysql?.map((name) => name.slice(0, 3)),
      mysql?.map((_, index) => String(index + 1).padStart(3, '0')),
    );
  });
});
