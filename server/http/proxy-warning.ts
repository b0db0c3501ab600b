// HTTP: behind a proxy that no setting names, every host seems to speak from the proxy, and none is protected.
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';

/** Says so once, when a forwarded request comes and no proxy is trusted. */
export function proxyWarning(trusted: readonly string[], logger: Logger): RequestHandler {
  let said = trusted.length > 0;
  return (req, _res, next) => {
    if (!said && req.headers['x-forwarded-for'] !== undefined) {
      said = true;
      logger.warn(
        { from: req.socket.remoteAddress },
        'requests come through a proxy that BANHUB_TRUST_PROXY does not name: hosts are not protected from being banned',
      );
    }
    next();
  };
}
