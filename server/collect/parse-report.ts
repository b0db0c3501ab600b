// Collect: the body of a report, as form fields or JSON, becomes a Report, or an error that names the field.
import { z } from 'zod';
import type { Report } from '../core/words.ts';
import { addressField } from '../http/fields.ts';
import { invalidField } from '../http/invalid-field.ts';

/** Characters of matched log lines that are kept; the rest is cut, never a reason to lose the ban. */
const MAX_MATCHES = 4_096;
const MAX_JAIL = 64;
/** Reports in one JSON array. */
export const MAX_ARRAY = 1_000;
/** 100 years in seconds: a longer ban time is as good as for ever, and would overflow nothing. */
const MAX_BANTIME = 3_155_760_000;
const SECONDS = 'must be seconds, or -1 for ever';

/** Forms have no numbers, no null and no absent fields: what fail2ban leaves empty counts as not given. */
const absent = (value: unknown) => (value === '' || value === null ? undefined : value);

const number = (schema: z.ZodType<number>) =>
  z
    .preprocess((value) => {
      const given = absent(value);
      return typeof given === 'string' && /^\s*[-+]?\d+(\.\d*)?\s*$/.test(given) ? Number(given) : given;
    }, schema.optional())
    .optional();

const jail = z
  .string('must be text')
  .trim()
  .min(1, 'is empty')
  .max(MAX_JAIL, `is longer than ${MAX_JAIL} characters`)
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\ufffd]+$/u, 'has control characters or is not UTF-8');

const restored = z.preprocess((value) => {
  const given = absent(value);
  if (given === undefined) return false;
  if (typeof given !== 'string' && typeof given !== 'number') return given;
  const word = String(given).toLowerCase();
  return { 1: true, true: true, 0: false, false: false }[word] ?? given;
}, z.boolean('must be 0 or 1'));

const matches = z.preprocess(
  (value) => {
    const given = absent(value) ?? null;
    return Array.isArray(given) && given.every((line) => typeof line === 'string') ? given.join('\n') : given;
  },
  z
    .string('must be text, or an array of lines')
    .nullable()
    .transform((text) => text && cut(text)),
);

const reportSchema = z.object(
  {
    action: z.enum(['ban', 'unban'], 'must be ban or unban'),
    ip: addressField,
    jail,
    failures: number(z.int32('must be a whole number').min(0, 'must not be negative')),
    bantime: number(z.number(SECONDS).refine((seconds) => seconds === -1 || seconds >= 0, SECONDS)),
    time: number(z.number('must be seconds since 1970').min(0, 'must be seconds since 1970')),
    restored: restored.optional(),
    matches: matches.optional(),
  },
  'must be an object',
);

/** @throws AppError `invalid` that names the first field that is wrong. */
export function parseReport(body: unknown): Report {
  const parsed = reportSchema.safeParse(body);
  if (!parsed.success) throw invalidField(parsed.error, body);
  const { action, ip, failures, bantime, ...rest } = parsed.data;
  const time = rest.time === undefined ? null : Math.round(rest.time * 1_000);
  if (action === 'unban') return { action, address: ip, jail: rest.jail, time };
  return {
    action,
    address: ip,
    jail: rest.jail,
    failures: failures ?? 0,
    time,
    bantime: bantime === undefined ? null : bantimeOf(bantime),
    restored: rest.restored ?? false,
    matches: rest.matches ?? null,
  };
}

function bantimeOf(seconds: number): number {
  return seconds === -1 || seconds > MAX_BANTIME ? -1 : Math.round(seconds * 1_000);
}

/** Lone surrogates and NUL are no text to a database. */
function cut(text: string): string {
  return text.slice(0, MAX_MATCHES).toWellFormed().replaceAll('\u0000', '\ufffd');
}
