// The database comes to this version of the program: once, by one process at a time, and never backwards.
import assert from 'node:assert/strict';
import Database from 'better-sqlite3';
import { createConnection } from 'mysql2/promise';
import { newMariaDb, newSqlite } from '../support/engines.ts';
import { buildProgram, endPrograms, Program, run } from './program.ts';

interface Sql {
  query(text: string): Promise<unknown[]>;
  close(): Promise<void>;
}

async function openSqlite(url: string): Promise<Sql> {
  const database = new Database(url.slice('sqlite:'.length));
  return {
    query: async (text) => {
      const statement = database.prepare(text);
      return statement.reader ? statement.all() : [statement.run()];
    },
    close: async () => void database.close(),
  };
}

async function openMariaDb(url: string): Promise<Sql> {
  const connection = await createConnection(url);
  return {
    query: async (text) => {
      const [rows] = await connection.query(text);
      return Array.isArray(rows) ? rows : [rows];
    },
    close: () => connection.end(),
  };
}

for (const { engine, newDatabase, open } of [
  { engine: 'SQLite', newDatabase: async () => newSqlite(), open: openSqlite },
  { engine: 'MariaDB', newDatabase: newMariaDb, open: openMariaDb },
]) {
  describe(`banhub migrate, on ${engine}`, () => {
    let url: string;
    const migrate = () => run(['migrate'], { BANHUB_DATABASE_URL: url });

    before(buildProgram);
    beforeEach(async () => {
      url = await newDatabase();
    });
    afterEach(endPrograms);

    async function query(text: string): Promise<unknown[]> {
      const database = await open(url);
      try {
        return await database.query(text);
      } finally {
        await database.close();
      }
    }

    it('applies what is missing, and the second time nothing', async () => {
      const first = await migrate();
      assert.deepEqual([first.code, first.stderr], [0, '']);
      assert.match(first.stdout, new RegExp(`^.*${engine}.*: applied 001_spine`));
      const rows = await query('SELECT * FROM schema_migrations');
      const second = await migrate();
      assert.equal(second.code, 0);
      assert.match(second.stdout, /is up to date\n$/);
      assert.deepEqual(await query('SELECT * FROM schema_migrations'), rows);
    });

    it('is refused, as every other command is, by a database that a newer program has migrated', async () => {
      await migrate();
      await query("INSERT INTO schema_migrations (number, name, applied_at) VALUES (999, '999_future', 0)");
      const settings = { BANHUB_DATABASE_URL: url, BANHUB_LISTEN: '127.0.0.1:0' };
      for (const args of [['migrate'], ['serve'], ['host', 'add', 'web1'], ['host', 'list']]) {
        const { code, stdout, stderr } = await run(args, settings);
        assert.deepEqual([code, stdout], [1, ''], args.join(' '));
        assert.match(
          stderr,
          /^banhub: the database is at version 999 \(999_future\), this program knows .*newer Banhub/,
        );
      }
      assert.deepEqual(await query('SELECT * FROM hosts'), []);
    });

    it('is done once when many start at the same moment', async () => {
      const ends = await Promise.all(Array.from({ length: 6 }, migrate));
      assert.deepEqual(
        ends.map(({ code, stderr }) => [code, stderr]),
        ends.map(() => [0, '']),
      );
      assert.equal(ends.filter(({ stdout }) => stdout.includes('applied 001_spine')).length, 1);
      assert.equal(ends.filter(({ stdout }) => stdout.includes('is up to date')).length, 5);
    });

    it('is done by two hubs that start at the same moment, and both serve', async () => {
      const hubs = await Promise.all([1, 2].map(() => Program.serve({ BANHUB_DATABASE_URL: url })));
      const token = (await run(['host', 'add', 'web1'], { BANHUB_DATABASE_URL: url })).stdout.trim();
      const authorization = { authorization: `Bearer ${token}` };
      for (const { url: hub } of hubs) {
        assert.equal((await fetch(`${hub}/blocklist.txt`, { headers: authorization })).status, 200);
      }
      const ends = await Promise.all(hubs.map((hub) => hub.stop()));
      assert.deepEqual(
        ends.map(({ code }) => code),
        [0, 0],
      );
    });
  });
}
