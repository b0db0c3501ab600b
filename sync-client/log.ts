// Sync client: one plain line per event on standard error; journald and cron's logger add the time.

export type Log = (line: string) => void;

/** Line breaks are taken out, so that no text from elsewhere can pass for an event of ours. */
export const logToStderr: Log = (line) => {
  process.stderr.write(`${line.replace(/\s*[\r\n]+\s*/g, ' | ')}\n`);
};
