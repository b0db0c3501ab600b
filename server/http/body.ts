// HTTP: request bodies: JSON or a form, of a bounded size, in UTF-8.
import express, { type Request, type RequestHandler } from 'express';
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { invalidField } from './invalid-field.ts';

const LIMIT = '1mb';
const MAX_FIELDS = 1_000;
const FORM = 'application/x-www-form-urlencoded';

/** Middleware that leaves the parsed body in `req.body`, or throws an AppError that names what is wrong. */
export function readBody(...kinds: ('json' | 'form')[]): RequestHandler[] {
  const types = kinds.map((kind) => (kind === 'json' ? 'application/json' : FORM));
  return [
    (req, _res, next) => {
      if (!req.is(types)) {
        throw new AppError('unsupported', `content-type: must be ${types.join(' or ')}`, { field: 'content-type' });
      }
      // Left to itself, body-parser takes bodies in UTF-7, UTF-16 and a hundred others.
      const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(req.get('content-type') ?? '')?.[1] ?? 'utf-8';
      if (charset.toLowerCase() !== 'utf-8') {
        throw new AppError('unsupported', 'content-type: the charset must be UTF-8', { field: 'content-type' });
      }
      next();
    },
    ...kinds.flatMap((kind) =>
      kind === 'json' ? [express.json({ limit: LIMIT })] : [express.text({ limit: LIMIT, type: FORM }), parseForm],
    ),
  ];
}

/**
 * Fields as the URL standard decodes them; repeated ones as an array. Express's own parser leaves a whole field
 * encoded when one byte of it is not UTF-8, and log lines do have such bytes.
 */
const parseForm: RequestHandler = (req, _res, next) => {
  if (typeof req.body === 'string') {
    const form = new URLSearchParams(req.body);
    if (form.size > MAX_FIELDS) throw new AppError('too_large', 'body: has too many fields', { field: 'body' });
    const names = new Set(form.keys());
    req.body = Object.fromEntries([...names].map((name) => [name, oneOrMore(form.getAll(name))]));
  }
  next();
};

function oneOrMore(values: string[]): string | string[] | undefined {
  return values.length > 1 ? values : values[0];
}

/** @throws AppError `invalid` that names the field. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, req: Request): z.output<Schema> {
  const parsed = schema.safeParse(req.body);
  if (!parsed.success) throw invalidField(parsed.error, req.body);
  return parsed.data;
}
