// Collect: POST /api/v1/reports, where fail2ban's curl ends.
import { type RequestHandler, Router } from 'express';
import { AppError } from '../core/app-error.ts';
import type { Report } from '../core/words.ts';
import type { Verdict } from '../dedupe/apply-reports.ts';
import { addressOfClient, credentialOf } from '../http/authenticate.ts';
import { readBody } from '../http/body.ts';
import { MAX_ARRAY, parseReport } from './parse-report.ts';
import type { ReportQueue } from './report-queue.ts';

/** A report as its sender hears of it; a malformed element of an array is answered in its place, the rest is taken. */
type Answer =
  | { outcome: Verdict['outcome']; reason?: string; revision: number }
  | { outcome: 'invalid'; field: string; detail: string; revision: number };

/** A body's element, parsed or not. */
type Item = { kind: 'report'; report: Report } | { kind: 'invalid'; error: AppError };

export function reportRoutes(queue: ReportQueue, mayReport: RequestHandler): Router {
  const router = Router();
  router.post('/api/v1/reports', mayReport, ...readBody('json', 'form'), async (req, res) => {
    const { host } = credentialOf(res);
    const from = addressOfClient(req);
    if (!Array.isArray(req.body)) {
      const { verdicts, revision } = await queue.submit({ host, from, reports: [parseReport(req.body)] });
      return void res.json({ ...verdicts[0], revision });
    }
    const items = parseArray(req.body);
    const reports = items.flatMap((item) => (item.kind === 'report' ? [item.report] : []));
    const { verdicts, revision } = await queue.submit({ host, from, reports });
    const taken = verdicts.values();
    res.json(
      items.map((item): Answer => {
        if (item.kind === 'report') return { ...(taken.next().value as Verdict), revision };
        return { outcome: 'invalid', field: item.error.field ?? '', detail: item.error.message, revision };
      }),
    );
  });
  return router;
}

function parseArray(body: readonly unknown[]): Item[] {
  if (body.length > MAX_ARRAY) {
    throw new AppError('too_large', `body: has more than ${MAX_ARRAY} reports`, { field: 'body' });
  }
  return body.map((element): Item => {
    try {
      return { kind: 'report', report: parseReport(element) };
    } catch (error) {
      if (error instanceof AppError) return { kind: 'invalid', error };
      throw error;
    }
  });
}
