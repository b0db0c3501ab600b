// Admin: /api/v1/bans: search, look at one address, ban by hand, lift.
import { type RequestHandler, Router } from 'express';
import { z } from 'zod';
import type { Address } from '../core/address.ts';
import { AppError } from '../core/app-error.ts';
import type { Ban, Reason } from '../core/words.ts';
import type { Editor } from '../dedupe/editor.ts';
import { banByHand, liftBan } from '../dedupe/steer.ts';
import { credentialOf } from '../http/authenticate.ts';
import { parseBody, readBody } from '../http/body.ts';
import { addressField, parseAddressParameter, secondsField } from '../http/fields.ts';
import { isoTime } from '../http/iso-time.ts';
import { parseQuery } from '../http/query.ts';
import type { BanQueries } from '../store/ban-queries.ts';

const DAY = 86_400;
const HISTORY_LINES = 100;

const searchQuery = z.object({
  address: addressField.optional(),
  host: z.string().max(64).optional(),
  jail: z.string().max(64).optional(),
  limit: z.coerce.number().int('must be a whole number').min(1).max(1_000).default(100),
  cursor: z.string().max(200).optional(),
});

const banBody = z.object({
  address: addressField,
  reason: z.string('must be text').trim().max(500).default(''),
  bantime: secondsField.default(DAY),
});

/** `allow` without a value: for a day. */
const liftQuery = z.object({
  allow: z.preprocess((value) => (value === '' ? DAY : value), secondsField.optional()).optional(),
  comment: z.string().trim().max(500).default(''),
});

export interface BanRoutesOptions {
  readonly bans: BanQueries;
  readonly editor: Editor;
  /** Why an address is not published now, whatever its claims; undefined when nothing speaks against it. */
  readonly against: (address: Address) => Reason | undefined;
  readonly mayAdminister: RequestHandler[];
}

export function banRoutes({ bans, editor, against, mayAdminister }: BanRoutesOptions): Router {
  const router = Router();
  router.use('/api/v1/bans', ...mayAdminister);

  router.get('/api/v1/bans', async (req, res) => {
    const { cursor, ...search } = parseQuery(searchQuery, req);
    const found = await bans.search({ ...search, after: cursor === undefined ? undefined : readCursor(cursor) });
    const last = found.length === search.limit ? found.at(-1) : undefined;
    res.json({
      items: found.map(({ address, ban }) => ({ address: address.text, ...banJson(ban) })),
      next: last ? writeCursor(last.ban.lastBannedAt, last.address.text) : null,
    });
  });

  // A network's slash may stand in the path as it is, or as %2F.
  router.get('/api/v1/bans/*address', async (req, res) => {
    const address = parseAddressParameter(req.params.address);
    const [ban, claims, history] = [
      await bans.find(address),
      await bans.claims(address),
      await bans.history(address, HISTORY_LINES),
    ];
    const covering = await bans.search({ address, limit: 100 });
    const held = claims.length > 0 && !ban?.published ? 'quorum' : undefined;
    const withheld = against(address) ?? held;
    res.json({
      address: address.text,
      published: ban?.published ?? false,
      ...(ban && banJson(ban)),
      liftedAt: isoTime(ban?.liftedAt ?? null),
      ...(withheld && { withheld }),
      related: covering.map((found) => found.address.text).filter((text) => text !== address.text),
      claims: claims.map(({ bannedAt, endsAt, sourceId: _, ...claim }) => ({
        ...claim,
        bannedAt: isoTime(bannedAt),
        endsAt: isoTime(endsAt),
      })),
      history: history.map(({ receivedAt, bannedAt, endsAt, ...line }) => ({
        ...line,
        receivedAt: isoTime(receivedAt),
        bannedAt: isoTime(bannedAt),
        endsAt: isoTime(endsAt),
      })),
    });
  });

  router.post('/api/v1/bans', ...readBody('json', 'form'), async (req, res) => {
    const { address, reason, bantime } = parseBody(banBody, req);
    const order = { address, reason, bantime: bantime < 0 ? null : bantime * 1_000 };
    const { outcome, revision } = await banByHand(editor, credentialOf(res).host, order);
    res.status(201).json({ address: address.text, outcome, revision });
  });

  router.delete('/api/v1/bans/*address', async (req, res) => {
    const address = parseAddressParameter(req.params.address);
    const { allow, comment } = parseQuery(liftQuery, req);
    if (allow !== undefined && allow < 1) throw new AppError('invalid', 'allow: must be seconds', { field: 'allow' });
    const entry = allow === undefined ? undefined : { comment, duration: allow * 1_000 };
    const { outcome, revision } = await liftBan(editor, credentialOf(res).host, address, entry);
    res.json({ address: address.text, outcome, revision });
  });

  return router;
}

function banJson(ban: Ban) {
  return {
    publishedAt: isoTime(ban.publishedAt),
    endsAt: isoTime(ban.endsAt),
    lastBannedAt: isoTime(ban.lastBannedAt),
    hosts: ban.hosts,
    jails: ban.jails,
  };
}

function writeCursor(lastBannedAt: number, address: string): string {
  return Buffer.from(`${lastBannedAt} ${address}`).toString('base64url');
}

function readCursor(cursor: string): { lastBannedAt: number; address: string } {
  const [lastBannedAt = '', address = ''] = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (!/^\d+$/.test(lastBannedAt) || address === '') {
    throw new AppError('invalid', 'cursor: is not one that a page before gave', { field: 'cursor' });
  }
  return { lastBannedAt: Number(lastBannedAt), address };
}
