// HTTP: how often one token may ask, and how often one address may fail to sign in.
import type { Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { AppError } from '../core/app-error.ts';
import type { Credential } from '../core/words.ts';

const MINUTE = 60_000;

export interface RateLimits {
  /** @throws AppError `too_many_requests` when this token has used up its minute. */
  countRequest(req: Request, res: Response, credential: Credential): Promise<void>;
  /** @throws AppError `too_many_requests` when this address has failed too often. Good tokens are not held up. */
  countFailedSignIn(req: Request, res: Response): Promise<void>;
}

/** Limits a minute; 0 requests for no limit. */
export function rateLimits(limits: { requests: number; failedSignIns: number }): RateLimits {
  const perToken = limiter(limits.requests, (_req, res) => res.locals.credential.hash, 'this token asks too often');
  const perAddress = limiter(
    limits.failedSignIns,
    (req) => ipKeyGenerator(req.ip ?? ''),
    'too many failed sign-ins from this address',
  );
  return {
    countRequest: (req, res) => (limits.requests === 0 ? Promise.resolve() : run(perToken, req, res)),
    countFailedSignIn: (req, res) => run(perAddress, req, res),
  };
}

function limiter(limit: number, keyGenerator: (req: Request, res: Response) => string, detail: string): RequestHandler {
  return rateLimit({
    windowMs: MINUTE,
    limit,
    keyGenerator,
    standardHeaders: false,
    legacyHeaders: false,
    handler: (_req, res, next, { windowMs }) => {
      res.set('Retry-After', String(windowMs / 1_000));
      next(new AppError('too_many_requests', detail));
    },
  });
}

function run(handler: RequestHandler, req: Request, res: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: unknown) => (error ? reject(error) : resolve());
    Promise.resolve(handler(req, res, done)).catch(reject);
  });
}
