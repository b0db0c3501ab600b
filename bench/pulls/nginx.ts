// Bench, peer: an nginx of our own that serves one folder, with one worker, as the hub has one process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/support/mariadb.ts';
import { until } from '../../test/support/until.ts';

export interface Nginx {
  readonly url: string;
  /** Of its worker. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Files with a `.gz` beside them are sent gzipped as they lie there. */
export async function startNginx(folder: string): Promise<Nginx> {
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, port));
  const nginx = spawn('nginx', ['-p', folder, '-e', join(folder, 'nginx.log'), '-c', file], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await until(
    async () => {
      if (nginx.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(join(folder, 'nginx.log'), 'utf8')}`);
      return fetch(url).then(
        () => true,
        () => false,
      );
    },
    { what: 'nginx answers' },
  );
  const children = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'latin1');
  return {
    url,
    pid: Number(children.trim().split(' ')[0]),
    async stop() {
      const ended = once(nginx, 'exit');
      nginx.kill('SIGTERM');
      await ended;
    },
  };
}

function configuration(folder: string, port: number): string {
  return `daemon off;
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  default_type text/plain;
  open_file_cache max=10;
  server {
    listen 127.0.0.1:${port};
    root ${folder};
    gzip_static on;
  }
}
`;
}
