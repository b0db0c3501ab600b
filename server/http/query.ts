// HTTP: the query of a request, checked. Unknown names are errors: a mistyped filter must not give the whole list.
import type { Request } from 'express';
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { invalidField } from './invalid-field.ts';

/** @throws AppError `invalid` that names the parameter. */
export function parseQuery<Schema extends z.ZodObject>(schema: Schema, req: Request): z.output<Schema> {
  const unknown = Object.keys(req.query).find((name) => !Object.hasOwn(schema.shape, name));
  if (unknown !== undefined) {
    const known = Object.keys(schema.shape).join(', ');
    throw new AppError('invalid', `${unknown}: is no parameter here; known: ${known}`, { field: unknown });
  }
  const parsed = schema.safeParse(req.query);
  if (!parsed.success) throw invalidField(parsed.error, req.query);
  return parsed.data;
}
