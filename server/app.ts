// Composition root: the whole hub from its parts. Everything is passed in; nothing is global.
import express, { type Express } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { allowlistRoutes } from './admin/allowlist-routes.ts';
import { banRoutes } from './admin/ban-routes.ts';
import { ReportQueue } from './collect/report-queue.ts';
import { reportRoutes } from './collect/report-routes.ts';
import type { Config } from './config.ts';
import type { Address } from './core/address.ts';
import { AppError } from './core/app-error.ts';
import type { Clock } from './core/words.ts';
import { applyReports, type ReportRules } from './dedupe/apply-reports.ts';
import { Editor } from './dedupe/editor.ts';
import { expire } from './dedupe/steer.ts';
import { Directory } from './fleet/directory.ts';
import { installRoutes } from './fleet/install-routes.ts';
import { rememberHosts } from './fleet/remember-hosts.ts';
import { authenticate } from './http/authenticate.ts';
import { healthRoutes } from './http/health-routes.ts';
import { problemHandler } from './http/problem.ts';
import { proxyWarning } from './http/proxy-warning.ts';
import { rateLimits } from './http/rate-limits.ts';
import { requestLog } from './http/request-log.ts';
import { jobsOf, startJobs } from './jobs.ts';
import { Blocklist } from './publish/blocklist.ts';
import { FeedCache } from './publish/feed-cache.ts';
import { feedRoutes } from './publish/feed-routes.ts';
import { Follower } from './publish/follower.ts';
import type { Store } from './store/store.ts';

export interface AppOptions {
  readonly config: Config;
  /** Open and migrated; stays the caller's to close. */
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The folder of the program. */
  readonly root: string;
}

export interface App {
  readonly handler: Express;
  /** Ends, now, what has ended: what a background job does each second. */
  readonly expire: () => Promise<void>;
  /** Answers what was accepted, then stops following and working in the background. */
  readonly close: () => Promise<void>;
}

/** Loads the list and the directory, and follows them from then on. */
export async function createApp({ config, store, clock, logger, root }: AppOptions): Promise<App> {
  const rules: ReportRules = {
    shortestPrefix: { 4: config.BANHUB_WIDEST_IPV4, 6: config.BANHUB_WIDEST_IPV6 },
    allowRanges: config.BANHUB_ALLOW_RANGES,
    defaultBantime: config.BANHUB_DEFAULT_BANTIME,
  };
  const directory = new Directory({ fleet: store.fleet, clock, rules });
  const blocklist = new Blocklist();
  const follower = new Follower({
    log: store.log,
    blocklist,
    logger,
    moved: (position) => directory.catchUp(position),
  });
  await follower.load();

  const editor = new Editor({
    store,
    directory,
    quorum: config.BANHUB_QUORUM,
    protection: rules,
    committed: (commit) => follower.take(commit),
  });
  await editor.adoptRules();
  const queue = new ReportQueue((submissions) => applyReports(editor, submissions, rules));
  const jobs = startJobs(jobsOf({ store, editor, clock, historyDays: config.BANHUB_HISTORY_DAYS }), logger);
  follower.start();

  let closing = false;
  const may = authenticate({
    credentialOf: (token) => directory.credentialOf(token),
    catchUp: () => follower.follow(),
    limits: rateLimits({ requests: config.BANHUB_RATE_LIMIT, failedSignIns: config.BANHUB_SIGNIN_LIMIT }),
  });
  const remember = rememberHosts(queue, rules, logger);
  const mayPull = [may.for('pull'), remember];
  const mayAdminister = [may.for('admin'), remember];

  const handler = express();
  handler.set('trust proxy', config.BANHUB_TRUST_PROXY);
  handler.set('etag', false);
  handler.set('x-powered-by', false);
  handler.use(requestLog(logger));
  handler.use(proxyWarning(config.BANHUB_TRUST_PROXY, logger));
  handler.use(helmet());
  handler.use(
    healthRoutes(() => {
      if (closing) return 'the hub is stopping';
      return follower.isCurrent && store.isWritable ? undefined : 'the database does not answer, or cannot be written';
    }),
  );
  handler.use(reportRoutes(queue, may.for('report')));
  handler.use(
    feedRoutes({ blocklist, feeds: new FeedCache(blocklist), follow: () => follower.follow(), clock, mayPull }),
  );
  const against = (address: Address) => directory.shield.against(address);
  handler.use(banRoutes({ bans: store.bans, editor, against, mayAdminister }));
  handler.use(allowlistRoutes({ fleet: store.fleet, editor, clock, mayAdminister }));
  handler.use(installRoutes(root));
  handler.use((req) => {
    throw new AppError('not_found', `there is nothing at ${req.method} ${req.path}`);
  });
  handler.use(problemHandler(logger));

  return {
    handler,
    expire: () => expire(editor),
    close: async () => {
      closing = true;
      await jobs.close();
      await queue.close();
      await follower.close();
    },
  };
}
