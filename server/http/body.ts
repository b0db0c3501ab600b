// HTTP: request bodies: JSON or a form, of a bounded size, in UTF-8.
import express, { type Request, type RequestHandler } from 'express';
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { invalidField } from './invalid-field.ts';

const LIMIT = '1mb';

/** Middleware that leaves the parsed body in `req.body`, or throws an AppError that names what is wrong. */
export function readBody(...kinds: ('json' | 'form')[]): RequestHandler[] {
  const types = kinds.map((kind) => (kind === 'json' ? 'application/json' : 'application/x-www-form-urlencoded'));
  return [
    (req, _res, next) => {
      if (!req.is(types)) {
        throw new AppError('unsupported', `content-type: must be ${types.join(' or ')}`, { field: 'content-type' });
      }
      next();
    },
    ...kinds.map((kind) =>
      kind === 'json' ? express.json({ limit: LIMIT }) : express.urlencoded({ limit: LIMIT, extended: false }),
    ),
  ];
}

/** @throws AppError `invalid` that names the field. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, req: Request): z.output<Schema> {
  const parsed = schema.safeParse(req.body);
  if (!parsed.success) throw invalidField(parsed.error, req.body);
  return parsed.data;
}
