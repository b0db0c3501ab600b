// HTTP: what a zod schema found wrong, as an error that names the field.
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';

/** The first problem of a failed parse of `input`. */
export function invalidField(error: z.ZodError, input: unknown): AppError {
  const issue = error.issues[0];
  const field = issue && issue.path.length > 0 ? issue.path.join('.') : 'body';
  const given = issue?.path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
  let message = issue?.message ?? 'is wrong';
  if (given === undefined) message = 'is missing';
  else if (Array.isArray(given) && field !== 'body') message = 'must be given once';
  return new AppError('invalid', `${field}: ${message}`, { field });
}
