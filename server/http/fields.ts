// HTTP: fields that several requests share, as schemas.
import { z } from 'zod';
import { type Address, parseAddress } from '../core/address.ts';
import { AppError } from '../core/app-error.ts';

/** An address or network as text; parsed. */
export const addressField = z.string('must be text').transform((text, context): Address => {
  const parsed = parseAddress(text);
  if (parsed.kind === 'address') return parsed.address;
  context.addIssue({ code: 'custom', message: parsed.detail });
  return z.NEVER;
});

/** Whole seconds, or -1 for ever; as a number or, in forms and queries, as its text. */
export const secondsField = z.preprocess(
  (value) => (typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value),
  z
    .number('must be seconds, or -1 for ever')
    .int('must be whole seconds, or -1 for ever')
    .max(3_155_760_000, 'must be at most 100 years')
    .refine((seconds) => seconds === -1 || seconds > 0, 'must be seconds, or -1 for ever'),
);

/** The address in a path, whose slash splits it. @throws AppError `invalid` */
export function parseAddressParameter(parts: string | string[]): Address {
  const parsed = parseAddress(Array.isArray(parts) ? parts.join('/') : parts);
  if (parsed.kind === 'address') return parsed.address;
  throw new AppError('invalid', `address: ${parsed.detail}`, { field: 'address' });
}
