// HTTP: is the process alive, and can it do its work?
import { Router } from 'express';
import { AppError } from '../core/app-error.ts';

/** `ready` says why the hub cannot take reports now; undefined when it can. */
export function healthRoutes(notReady: () => string | undefined): Router {
  const router = Router();
  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' });
  });
  router.get('/readyz', (_req, res) => {
    const why = notReady();
    if (why !== undefined) throw new AppError('unavailable', why);
    res.json({ status: 'ready' });
  });
  return router;
}
