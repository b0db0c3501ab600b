// State on disk: the last good list comes back whole or not at all; one client at a time works with it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressOf } from '../../server/core/address.ts';
import { Blocklist } from '../../sync-client/blocklist.ts';
import { takeLock } from '../../sync-client/lock.ts';
import { type GoodList, StateFolder } from '../../sync-client/state.ts';

const TEXTS = ['198.18.0.1', '198.18.0.2', '198.19.0.0/24', '2001:2::1'];
const goodList = (): GoodList => ({
  hub: 'https://hub/',
  revision: 7,
  etag: '"r7"',
  list: new Blocklist(TEXTS.map(addressOf)),
});
const change = (since: number, add: string[], remove: string[]) => ({
  since,
  revision: since + 1,
  add: add.map(addressOf),
  remove: remove.map(addressOf),
});

describe('the state folder', () => {
  let folder: string;
  let state: StateFolder;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'banhub-state-'));
    state = new StateFolder(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What another process would find. */
  const found = async () => {
    const good = await new StateFolder(folder).readList();
    return good && { revision: good.revision, etag: good.etag, texts: good.list.all().map(({ text }) => text) };
  };

  it('gives back the last good list', async () => {
    assert.equal(await found(), undefined);
    await state.writeList(goodList());
    assert.deepEqual(await found(), { revision: 7, etag: '"r7"', texts: TEXTS });
  });

  it('gives it back with the changes since then, but without an ETag that is no longer its own', async () => {
    await state.writeList(goodList());
    await state.writeChange(goodList(), change(7, ['198.18.0.9'], ['198.18.0.1']));
    await state.writeChange(goodList(), change(8, [], ['198.18.0.2']));
    assert.deepEqual(await found(), { revision: 9, etag: '', texts: ['198.19.0.0/24', '2001:2::1', '198.18.0.9'] });
  });

  it('is for its owner alone', async () => {
    await state.writeList(goodList());
    await state.writeChange(goodList(), change(7, ['198.18.0.9'], []));
    await state.writeStatus({ revision: 7 });
    for (const name of await readdir(folder)) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  });

  for (const [title, damage] of [
    ['cut short', (path: string) => truncate(path, 100)],
    ['emptied', (path: string) => truncate(path, 0)],
    [
      'changed',
      async (path: string) => writeFile(path, (await readFile(path, 'utf8')).replace('198.18.0.2', '198.18.0.3')),
    ],
    ['grown', (path: string) => appendFile(path, '198.18.0.77\n')],
    ['something else', (path: string) => writeFile(path, '{"hub":1}\n')],
  ] as const) {
    it(`takes a list that was ${title} for none`, async () => {
      await state.writeList(goodList());
      await damage(join(folder, 'blocklist'));
      assert.equal(await found(), undefined);
    });
  }

  it('stops at a change that was torn by a crash, and goes on well after it', async () => {
    await state.writeList(goodList());
    await state.writeChange(goodList(), change(7, ['198.18.0.9'], []));
    await appendFile(join(folder, 'blocklist.changes'), '{"since":8,"revision":9,"add":["198.18');
    assert.equal((await found())?.revision, 8);
    const good = await state.readList();
    assert.ok(good);
    await state.writeChange(good, change(8, ['198.18.0.10'], []));
    assert.equal((await found())?.revision, 9);
    assert.ok((await found())?.texts.includes('198.18.0.10'));
  });

  it('takes no change that belongs to another list', async () => {
    await state.writeList(goodList());
    await state.writeChange(goodList(), change(4, ['198.18.0.9'], []));
    assert.deepEqual(await found(), { revision: 7, etag: '"r7"', texts: TEXTS });
  });

  it('does not let the changes grow for ever', async () => {
    const good = goodList();
    await state.writeList(good);
    for (let revision = 7; revision < 10; revision++) {
      const add = Array.from({ length: 9_000 }, (_, i) => `198.${20 + revision}.${i >> 8}.${i & 255}`);
      for (const text of add) good.list.add(addressOf(text));
      await state.writeChange({ ...good, revision: revision + 1, etag: '' }, change(revision, add, []));
    }
    await assert.rejects(stat(join(folder, 'blocklist.changes')));
    assert.equal((await found())?.revision, 10);
    assert.equal((await found())?.texts.length, TEXTS.length + 27_000);
  });

  it('takes a damaged status for an empty one', async () => {
    await writeFile(join(folder, 'status.json'), '{"revision":');
    assert.deepEqual(await state.readStatus(), {});
  });
});

describe('the lock', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'banhub-lock-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is held by one alone, and free again afterwards', async () => {
    const first = await takeLock(folder, 'run');
    assert.ok(first.kind === 'held');
    assert.deepEqual(await takeLock(folder, 'once'), { kind: 'busy', pid: process.pid, command: 'run' });
    await first.release();
    assert.deepEqual(await readdir(folder), []);
    assert.equal((await takeLock(folder, 'once')).kind, 'held');
  });

  it('is free when its holder died', async () => {
    const child = spawn('sleep', ['60']);
    const started = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[19];
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8);
    await writeFile(join(folder, `lock.${child.pid}.${started}.${boot}.0.run`), '');
    assert.deepEqual(await takeLock(folder, 'once'), { kind: 'busy', pid: child.pid, command: 'run' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal((await takeLock(folder, 'once')).kind, 'held');
    assert.equal((await readdir(folder)).length, 1);
  });

  it('is free when the process id of its holder went to another program', async () => {
    await writeFile(join(folder, `lock.${process.pid}.1.00000000.0.run`), '');
    assert.equal((await takeLock(folder, 'once')).kind, 'held');
  });

  it('goes to one of many that try together', async () => {
    const script = `
      import { createInterface } from 'node:readline';
      import { takeLock } from ${JSON.stringify(new URL('../../sync-client/lock.ts', import.meta.url).href)};
      console.log('ready');
      for await (const path of createInterface({ input: process.stdin })) {
        console.log(await takeLock(path, 'once').then(({ kind }) => kind, String));
      }`;
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    const answers = () =>
      Promise.all(children.map(async ({ stdout }) => String((await once(stdout, 'data'))[0]).trim()));
    try {
      await answers();
      for (let round = 0; round < 10; round++) {
        const contested = join(folder, `round-${round}`);
        await mkdir(contested);
        await writeFile(join(contested, 'lock.1.1.00000000.0.run'), '');
        const answered = answers();
        for (const child of children) child.stdin.write(`${contested}\n`);
        assert.deepEqual((await answered).sort(), ['busy', 'busy', 'busy', 'busy', 'busy', 'held'], `round ${round}`);
      }
    } finally {
      for (const child of children) child.kill();
    }
  });
});
