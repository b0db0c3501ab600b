// Admin: /api/v1/allowlist: addresses that are never published.
import { type RequestHandler, Router } from 'express';
import { z } from 'zod';
import type { AllowlistEntry, Clock } from '../core/words.ts';
import type { Editor } from '../dedupe/editor.ts';
import { allow, disallow } from '../dedupe/steer.ts';
import { credentialOf } from '../http/authenticate.ts';
import { parseBody, readBody } from '../http/body.ts';
import { addressField, parseAddressParameter, secondsField } from '../http/fields.ts';
import { isoTime } from '../http/iso-time.ts';
import type { FleetQueries } from '../store/fleet-queries.ts';

const allowBody = z.object({
  address: addressField,
  comment: z.string('must be text').trim().max(500).default(''),
  duration: secondsField.default(-1),
});

export interface AllowlistRoutesOptions {
  readonly fleet: FleetQueries;
  readonly editor: Editor;
  readonly clock: Clock;
  readonly mayAdminister: RequestHandler[];
}

export function allowlistRoutes({ fleet, editor, clock, mayAdminister }: AllowlistRoutesOptions): Router {
  const router = Router();
  router.use('/api/v1/allowlist', ...mayAdminister);

  router.get('/api/v1/allowlist', async (_req, res) => {
    res.json({ items: (await fleet.allowlist(clock())).map(entryJson) });
  });

  router.post('/api/v1/allowlist', ...readBody('json', 'form'), async (req, res) => {
    const { address, comment, duration } = parseBody(allowBody, req);
    const endsAt = duration < 0 ? null : clock() + duration * 1_000;
    const addedBy = credentialOf(res).host.name;
    const { revision } = await allow(editor, { address, comment, addedBy, endsAt });
    res.status(201).json({ address: address.text, comment, addedBy, endsAt: isoTime(endsAt), revision });
  });

  router.delete('/api/v1/allowlist/*address', async (req, res) => {
    const address = parseAddressParameter(req.params.address);
    const { revision } = await disallow(editor, address);
    res.json({ address: address.text, revision });
  });

  return router;
}

function entryJson({ address, comment, addedBy, addedAt, endsAt }: AllowlistEntry) {
  return { address: address.text, comment, addedBy, addedAt: isoTime(addedAt), endsAt: isoTime(endsAt) };
}
