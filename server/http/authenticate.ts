// HTTP: who speaks, and may it? Rights are stated where routes are mounted: `authenticate.for('report')`.
import type { Request, RequestHandler, Response } from 'express';
import { type Address, parseAddress } from '../core/address.ts';
import { AppError } from '../core/app-error.ts';
import type { Credential, Scope } from '../core/words.ts';
import type { RateLimits } from './rate-limits.ts';

export interface AuthenticateOptions {
  /** Whose token this is, from memory. */
  readonly credentialOf: (token: string) => Credential | undefined;
  /** Reads what is new: the token may have been made a moment ago. */
  readonly catchUp: () => Promise<void>;
  readonly limits: RateLimits;
}

/** Middleware that lets through who has `scope`, and leaves the credential for the route. */
export function authenticate(options: AuthenticateOptions): { for(scope: Scope): RequestHandler } {
  return {
    for: (scope) => async (req, res, next) => {
      const credential = await identify(req, res, scope, options);
      res.locals.credential = credential;
      await options.limits.countRequest(req, res, credential);
      if (!credential.scopes.includes(scope)) {
        throw new AppError(
          'forbidden',
          `this token has not the scope ${scope}; it has ${credential.scopes.join(', ')}`,
        );
      }
      next();
    },
  };
}

/** The credential of a request that `authenticate` let through. */
export function credentialOf(res: Response): Credential {
  return res.locals.credential;
}

/** Where the request came from, behind trusted proxies; undefined when that is no address (a Unix socket). */
export function addressOfClient(req: Request): Address | undefined {
  const parsed = parseAddress((req.ip ?? '').replace(/%.*$/, ''));
  return parsed.kind === 'address' ? parsed.address : undefined;
}

async function identify(
  req: Request,
  res: Response,
  scope: Scope,
  { credentialOf, catchUp, limits }: AuthenticateOptions,
): Promise<Credential> {
  const token = tokenOf(req, scope);
  const known = token === undefined ? undefined : credentialOf(token);
  if (known) return known;
  await limits.countFailedSignIn(req, res);
  if (token !== undefined) {
    // With the database away an unknown token is our trouble: a firewall told 401 might drop its list.
    await catchUp();
    const fresh = credentialOf(token);
    if (fresh) return fresh;
  }
  res.set('WWW-Authenticate', scope === 'pull' ? 'Bearer, Basic realm="banhub"' : 'Bearer');
  throw new AppError('unauthorized', token === undefined ? 'a token is needed' : 'this token is not known, or revoked');
}

/** RFC 6750. A pull token may also be a Basic password (RFC 7617) or `?token=`: many firewalls can do nothing else. */
function tokenOf(req: Request, scope: Scope): string | undefined {
  const header = req.get('authorization') ?? '';
  const bearer = /^Bearer +([^\s]+)\s*$/i.exec(header);
  if (bearer || scope !== 'pull') return bearer?.[1];
  const basic = /^Basic +([A-Za-z0-9+/=]+)\s*$/i.exec(header);
  if (basic?.[1]) {
    const decoded = Buffer.from(basic[1], 'base64').toString();
    return decoded.slice(decoded.indexOf(':') + 1);
  }
  return typeof req.query.token === 'string' ? req.query.token : undefined;
}
