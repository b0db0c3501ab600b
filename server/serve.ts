// The command `serve`: opens everything, says how to begin, and closes it in reverse order on a signal.
import type { Logger } from 'pino';
import { createApp } from './app.ts';
import { type Config, unknownSettings } from './config.ts';
import { AppError } from './core/app-error.ts';
import { firstBan, installGuide, TOKEN_PLACE } from './fleet/install-guide.ts';
import { type Listening, listen } from './http/listen.ts';
import type { Store } from './store/store.ts';

export interface ServeOptions {
  readonly logger: Logger;
  readonly root: string;
  /** The env file that the settings came from, for the command to repeat. */
  readonly configFile: string | undefined;
  readonly openStore: (config: Config) => Store;
}

/** Resolves when the hub has stopped, after SIGTERM or SIGINT. */
export async function serve(config: Config, { logger, root, configFile, openStore }: ServeOptions): Promise<void> {
  const unknown = unknownSettings();
  if (unknown.length > 0) logger.warn({ unknown }, 'BANHUB_ names in the environment that are no settings');
  const store = openStore(config);
  try {
    const applied = await store.migrate();
    if (applied.length > 0) logger.info({ applied }, 'database migrated');
    const app = await createApp({ config, store, clock: Date.now, logger, root });
    try {
      const { BANHUB_LISTEN, BANHUB_TLS_CERT: cert, BANHUB_TLS_KEY: key } = config;
      const tls = cert === '' ? undefined : { cert, key };
      const server = await listen(app.handler, { ...BANHUB_LISTEN, tls }).catch(blameSetting);
      const signalled = untilSignal(server, logger);
      await welcome(config, store, { url: server.url, configFile });
      await signalled;
      await server.close();
    } finally {
      await app.close();
    }
  } finally {
    await store.close();
  }
  logger.info('stopped');
}

function blameSetting(cause: Error): never {
  const { code, syscall = '' } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    throw new AppError('conflict', 'BANHUB_LISTEN: something listens there already', { cause });
  if (/^(listen|getaddrinfo)$/.test(syscall)) throw new AppError('invalid', 'BANHUB_LISTEN', { cause });
  throw new AppError('invalid', 'BANHUB_TLS_CERT and BANHUB_TLS_KEY', { cause });
}

/** How hosts reach a hub with this configuration. */
export function publicUrl(config: Config): string {
  if (config.BANHUB_PUBLIC_URL !== '') return config.BANHUB_PUBLIC_URL;
  const { host, port } = config.BANHUB_LISTEN;
  const scheme = config.BANHUB_TLS_CERT === '' ? 'http' : 'https';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function welcome(
  config: Config,
  store: Store,
  { url, configFile }: { url: string; configFile: string | undefined },
): Promise<void> {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  say(`Banhub is running at ${url} (${store.location}). Stop it with Ctrl-C.`);
  if ((await store.fleet.hosts()).length > 0) return;
  const reached = config.BANHUB_PUBLIC_URL || url;
  say(`
There are no hosts yet. Add the first one, in another terminal in this folder, with the same settings:

    npm run -s banhub -- host add web1${configFile === undefined ? '' : ` --config '${configFile}'`}

That prints the host's token, once. Try it with a ban (198.18.0.66 is an address for tests):

    ${firstBan(reached, TOKEN_PLACE)}
    curl -sS -H 'Authorization: Bearer ${TOKEN_PLACE}' ${reached}/blocklist.txt

To join the host for real, paste there as root, with its token for ${TOKEN_PLACE}:

${indent(installGuide(reached, TOKEN_PLACE))}`);
  if (config.BANHUB_PUBLIC_URL === '' && /^(127\.|::1$|localhost$)/.test(config.BANHUB_LISTEN.host)) {
    say(`Other machines cannot reach ${url}. For them start the hub with, for example,
BANHUB_LISTEN=0.0.0.0:8080 and BANHUB_PUBLIC_URL=https://hub.example.org (see docs/operator.md for TLS).
`);
  }
}

function indent(lines: string): string {
  return lines.replace(/^(?=.)/gm, '    ');
}

function untilSignal(server: Listening, logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    const stop = (signal: string) => {
      logger.info({ signal }, 'stopping');
      resolve();
    };
    // Not once: a terminal sends its own to every process of the group, and npm passes it on again.
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    process.on('SIGHUP', () => {
      if (!server.reloadTls) return;
      try {
        server.reloadTls();
        logger.info('certificate read again');
      } catch (error) {
        logger.error({ err: error }, 'cannot read the certificate; going on with the old one');
      }
    });
  });
}
