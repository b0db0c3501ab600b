// Fleet: GET /install/…: the files that a host needs, from the hub itself. They hold no secret.
import { join } from 'node:path';
import express, { Router } from 'express';

/** `root` is the folder of the program, with `actions/`, `sync-client/` and `dist/`. */
export function installRoutes(root: string): Router {
  const router = Router();
  const one = (path: string, file: string) => {
    // With `root`, or a dot in the path of the program's own folder would hide the file.
    router.get(path, (_req, res, next) => res.type('text/plain').sendFile(file, { root, acceptRanges: false }, next));
  };
  one('/install/banhub-sync.js', 'dist/sync-client/main.js');
  one('/install/banhub-sync.sh', 'sync-client/banhub-sync.sh');
  const files = {
    index: false,
    acceptRanges: false,
    setHeaders: (res: express.Response) => void res.type('text/plain'),
  } as const;
  router.use('/install/systemd', express.static(join(root, 'sync-client/systemd'), files));
  router.use('/install', express.static(join(root, 'actions'), files));
  return router;
}
