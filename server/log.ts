// The log of the hub: one JSON object a line.
import { type DestinationStream, type Logger, pino } from 'pino';

/** `level` as in BANHUB_LOG_LEVEL. */
export function createLogger(level: string, destination: DestinationStream): Logger {
  return pino({ level, base: undefined, serializers: { err: describe } }, destination);
}

/** Not all that an error carries: a database driver's has the whole statement, with reported log lines in it. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return { type: name, code, message, stack, ...(cause !== undefined && { cause: describe(cause) }) };
}
