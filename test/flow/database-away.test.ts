// Stories: the database dies under a rush of reports. Whoever was answered 200 is in the list afterwards.
import assert from 'node:assert/strict';
import { TestHub } from '../support/hub.ts';
import { type MariaDb, startMariaDb } from '../support/mariadb.ts';
import { until } from '../support/until.ts';

describe('A MariaDB that is killed under a rush of reports', function () {
  this.timeout(120_000);
  let database: MariaDb;
  let hub: TestHub;

  before(async () => {
    database = await startMariaDb();
    hub = await TestHub.start({ database: await database.createDatabase(), settings: { BANHUB_RATE_LIMIT: '0' } });
  });
  after(async () => {
    await hub.close();
    await database.remove();
  });

  it('loses nothing that was acknowledged, and nobody hears of anything but 200 and 503', async () => {
    const token = await hub.addHost('alpha');
    const acknowledged: string[] = [];
    const statuses = new Map<number, number>();
    let rushing = true;
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let i = 0; rushing; i++) {
        const ip = `198.18.${lane}.${i % 256}`;
        const body = new URLSearchParams({ action: 'ban', ip, jail: `jail${i >> 8}` });
        const { status } = await hub.request(token, '/api/v1/reports', { method: 'POST', body });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) acknowledged.push(ip);
      }
    });
    for (let kill = 1; kill <= 3; kill++) {
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 100, { what: 'the rush is on' });
      await database.kill('SIGKILL');
      await until(() => (statuses.get(503) ?? 0) > 0, { what: 'reports hear that it is away' });
      assert.equal((await hub.request('', '/readyz')).status, 503);
      await database.restart();
      await until(async () => (await hub.request('', '/readyz')).status === 200, { what: 'the hub is ready again' });
      statuses.delete(503);
    }
    rushing = false;
    await Promise.all(lanes);
    statuses.delete(503);

    assert.deepEqual([...statuses.keys()], [200]);
    await hub.request(token, '/api/v1/blocklist/changes?since=0');
    const list = new Set(await hub.list(token));
    assert.deepEqual(
      acknowledged.filter((ip) => !list.has(ip)),
      [],
    );
  });
});
