// Bench: a module of ours as a process of its own, with which messages are exchanged.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts `bench/PATH`. It ends by itself when this process does. */
export function startModule(path: string, args: readonly string[] = []): ChildProcess {
  return fork(fileURLToPath(new URL(path, import.meta.url)), args);
}

/** The next message from it. @throws Error when it ends instead. */
export async function nextMessage<Message>(child: ChildProcess): Promise<Message> {
  const ended = new AbortController();
  try {
    const message = once(child, 'message', { signal: ended.signal });
    const exit = once(child, 'exit', { signal: ended.signal });
    const [first] = await Promise.race([
      message,
      exit.then(([code]) => Promise.reject(new Error(`it ended: ${code}`))),
    ]);
    return first as Message;
  } finally {
    ended.abort();
  }
}
