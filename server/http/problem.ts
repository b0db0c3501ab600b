// HTTP: every error becomes application/problem+json (RFC 9457), and is logged once, here.
import type { ErrorRequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { AppError, STATUS_OF } from '../core/app-error.ts';
import { requestIdOf } from './request-log.ts';

/** Seconds after which a client may try again when the database is away. */
const RETRY_AFTER = 5;

/** Errors of body-parser, by their `type`; every other one of its 4xx is a body that cannot be read. */
const BODY_ERRORS: Record<string, AppError> = {
  'entity.too.large': new AppError('too_large', 'body: is larger than 1 MiB', { field: 'body' }),
  'encoding.unsupported': new AppError('unsupported', 'content-encoding: is not known', { field: 'content-encoding' }),
};

export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (error, _req, res, _next) => {
    const known = asAppError(error);
    const requestId = requestIdOf(res);
    if (!known) logger.error({ err: error, requestId }, 'unexpected error');
    else if (known.code === 'unavailable') logger.error({ err: known.cause ?? known, requestId }, known.message);
    if (res.headersSent) return void res.destroy();
    sendProblem(res, known, requestId);
  };
}

function sendProblem(res: Response, error: AppError | undefined, requestId: string): void {
  const status = error ? STATUS_OF[error.code] : 500;
  if (error?.code === 'unavailable') res.set('Retry-After', String(RETRY_AFTER));
  const problem = {
    type: 'about:blank',
    title: error?.code ?? 'internal',
    status,
    code: error?.code ?? 'internal',
    detail: error?.message ?? 'something unexpected happened; the log of the hub has more under this request id',
    ...(error?.field !== undefined && { field: error.field }),
    ...(error?.reason !== undefined && { reason: error.reason }),
    requestId,
  };
  res.status(status).type('application/problem+json').send(JSON.stringify(problem));
}

function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (error instanceof URIError) {
    return new AppError('invalid', 'path: is not properly percent-encoded', { field: 'path' });
  }
  // Express and its parts give the status that an error of the caller's is to have; broken gzip comes without a type.
  const { status, type, message } = error as { status?: unknown; type?: unknown; message?: unknown };
  if (status === 404) return new AppError('not_found', 'there is no such file in this hub');
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  return BODY_ERRORS[String(type)] ?? new AppError('invalid', `body: ${message}`, { field: 'body' });
}
