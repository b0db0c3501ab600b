// Waits for something to become true, by looking again and again; never longer than its deadline.

/** @throws Error with `what`, and what was last seen, when the deadline passes. */
export async function until(
  check: () => boolean | Promise<boolean>,
  { what, seconds = 10, seen }: { what: string; seconds?: number; seen?: () => unknown },
): Promise<void> {
  const deadline = Date.now() + seconds * 1_000;
  while (!(await check())) {
    if (Date.now() > deadline) {
      const last = seen ? `; last seen: ${JSON.stringify(await seen())}` : '';
      throw new Error(`after ${seconds} s still not: ${what}${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
