// HTTP: one line of log a request, without its query, headers or body: a token may stand in each of them.
import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';
import type { Logger } from 'pino';

/** The id that ties an error answer to its line in the log. */
export function requestIdOf(res: Response): string {
  res.locals.requestId ??= randomUUID();
  return res.locals.requestId;
}

export function requestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const start = performance.now();
    res.on('close', () => {
      const level = res.statusCode >= 500 ? 'error' : res.statusCode >= 400 ? 'warn' : 'debug';
      if (!logger.isLevelEnabled(level)) return;
      logger[level](
        {
          method: req.method,
          path: withoutTokens(req.path),
          status: res.statusCode,
          ms: Math.round(performance.now() - start),
          from: withoutTokens(req.ip ?? ''),
          host: res.locals.credential?.host.name,
          ...(res.statusCode >= 400 && { requestId: requestIdOf(res) }),
          ...(!res.writableFinished && { aborted: true }),
        },
        'request',
      );
    });
    next();
  };
}

/** For what callers write where no token belongs. */
function withoutTokens(text: string): string {
  return text.replace(/bh_[\w-]+/g, 'bh_…');
}
