// The file enforcer: the list as a file that is always whole, and no harm to a file that is not ours.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressOf } from '../../server/core/address.ts';
import { Blocklist } from '../../sync-client/blocklist.ts';
import { fileEnforcer } from '../../sync-client/enforce/file.ts';
import { Enforcement } from '../../sync-client/enforcement.ts';
import { Guards } from '../../sync-client/guards.ts';

describe('the file enforcer', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'banhub-file-'));
    path = join(folder, 'banned.txt');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const enforce = async (...texts: string[]) => {
    const log: string[] = [];
    const enforcement = new Enforcement({ enforcers: [fileEnforcer(path)], log: (line) => log.push(line) });
    enforcement.setList(new Blocklist(texts.map(addressOf)), new Guards([]));
    const { errors } = await enforcement.enforce(new Map(), 1);
    return { log, errors };
  };

  it('writes one entry per line, sorted, for everyone to read', async () => {
    await enforce('2001:2::1', '198.18.0.10', '198.18.0.9', '198.18.0.0/24');
    assert.equal(await readFile(path, 'utf8'), '198.18.0.0/24\n198.18.0.9\n198.18.0.10\n2001:2::1\n');
    assert.equal((await stat(path)).mode & 0o777, 0o644);
    assert.deepEqual(await readdir(folder), ['banned.txt']);
  });

  it('writes an empty list as an empty file', async () => {
    await enforce('198.18.0.1');
    await enforce();
    assert.equal(await readFile(path, 'utf8'), '');
  });

  it('leaves the file alone when nothing changes, and mends it when it was edited', async () => {
    await enforce('198.18.0.1', '198.18.0.2');
    const before = await stat(path);
    assert.deepEqual(await enforce('198.18.0.1', '198.18.0.2'), { log: [], errors: [] });
    assert.equal((await stat(path)).ino, before.ino);
    await writeFile(path, '198.18.0.2\n198.18.0.77\n');
    assert.match((await enforce('198.18.0.1', '198.18.0.2')).log.join(), /1 added, 1 removed/);
    assert.equal(await readFile(path, 'utf8'), '198.18.0.1\n198.18.0.2\n');
  });

  it('replaces the file at once: who has the old one open reads it to its end', async () => {
    await enforce('198.18.0.1');
    const before = await stat(path);
    await enforce('198.18.0.2');
    assert.notEqual((await stat(path)).ino, before.ino);
  });

  it('never overwrites nor removes a file that is no list of addresses', async () => {
    await writeFile(path, 'root:x:0:0:root:/root:/bin/bash\n');
    const { errors } = await enforce('198.18.0.1');
    assert.match(errors.join(), /banned\.txt holds "root:x:0:0:root:\/root:\/bin\/bash": this is no list of ours/);
    await assert.rejects(fileEnforcer(path).flush(), /no list of ours/);
    assert.equal(await readFile(path, 'utf8'), 'root:x:0:0:root:/root:/bin/bash\n');
  });

  it('is gone after a flush', async () => {
    await enforce('198.18.0.1', '198.18.0.2');
    assert.equal(await fileEnforcer(path).flush(), 2);
    assert.deepEqual(await readdir(folder), []);
    assert.equal(await fileEnforcer(path).flush(), 0);
  });
});
