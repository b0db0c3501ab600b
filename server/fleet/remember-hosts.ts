// Fleet: an address that a host pulls from is protected, as one that it reports from is.
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { ReportQueue } from '../collect/report-queue.ts';
import { hasMoved } from '../dedupe/apply-reports.ts';
import type { ProtectionRules } from '../dedupe/protect.ts';
import { addressOfClient, credentialOf } from '../http/authenticate.ts';

/** Middleware behind `authenticate`. The pull does not wait for it, and goes on with the database away. */
export function rememberHosts(queue: ReportQueue, rules: ProtectionRules, logger: Logger): RequestHandler {
  return (req, res, next) => {
    const { host } = credentialOf(res);
    const from = addressOfClient(req);
    if (from && hasMoved(host, from, rules)) {
      queue.submit({ host, from, reports: [] }).catch((error) => {
        logger.warn({ err: error, host: host.name }, 'cannot keep where a host speaks from');
      });
    }
    next();
  };
}
