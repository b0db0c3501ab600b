// Around all tests: what the run started, it removes.
import { removeDatabases } from './support/engines.ts';

export const mochaHooks = {
  async afterAll() {
    await removeDatabases();
  },
};
