// Sync client, state and enforce: a file that holds its old content or its new one, whatever happens.
import { open, rename, rm } from 'node:fs/promises';

/** Writes beside the file, makes that durable, then puts it in place. `mode` is the file's, whatever the umask. */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const beside = `${path}.banhub-new`;
  await rm(beside, { force: true });
  // Exclusively, so that a link that someone else put there is not followed.
  const file = await open(beside, 'wx', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
}
