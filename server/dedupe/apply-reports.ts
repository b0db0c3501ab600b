// Dedupe: reports of many hosts, in one transaction and in their order, and what came of each.
import { type Address, isSingle } from '../core/address.ts';
import type { BanReport, Claim, Host, Outcome, Reason, Report } from '../core/words.ts';
import type { HistoryEntry, WriteTransaction } from '../store/write-transaction.ts';
import { endClaim, putClaim } from './claims.ts';
import type { Edit, Editor } from './editor.ts';
import { type ProtectionRules, refuseByRange } from './protect.ts';

/** fail2ban keeps times in rounded seconds: half of all bans begin a little in the future. In milliseconds. */
const ROUNDING = 1_000;

export interface ReportRules extends ProtectionRules {
  /** In milliseconds, for a ban report that does not say how long. */
  readonly defaultBantime: number;
}

/** What one host sent in one request. */
export interface Submission {
  readonly host: Host;
  /** Where the host spoke from: protected from now on. */
  readonly from: Address | undefined;
  readonly reports: readonly Report[];
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly reason?: Reason | undefined;
}

/** Applies all submissions together; the verdicts are per submission, per report. */
export async function applyReports(
  editor: Editor,
  submissions: readonly Submission[],
  rules: ReportRules,
): Promise<{ verdicts: Verdict[][]; revision: number }> {
  const { result, revision } = await editor.edit(
    (tx) => moveHosts(tx, submissions, rules),
    async (edit, touched) => {
      const { tx, ledger } = edit;
      const addresses = submissions.flatMap(({ reports }) => reports.map(({ address }) => address));
      await ledger.open([...touched, ...addresses]);
      const history: HistoryEntry[] = [];
      const verdicts = submissions.map(({ host, reports }) =>
        reports.map((report) => {
          const claim = report.action === 'ban' ? claimOf(host, report, tx.now, rules) : undefined;
          const verdict = claim ? ban(edit, report.address, claim) : unban(edit, host, report);
          history.push(historyOf(host, report, claim, verdict));
          return verdict;
        }),
      );
      await ledger.close();
      await tx.record(history);
      return verdicts;
    },
  );
  return { verdicts: result, revision };
}

/** Keeps where hosts speak from now; returns the known addresses that this protects, or protects no longer. */
async function moveHosts(
  tx: WriteTransaction,
  submissions: readonly Submission[],
  rules: ProtectionRules,
): Promise<Address[]> {
  const touched: Address[] = [];
  const moved = new Map<string, { host: Host; from: Address }>();
  for (const { host, from } of submissions) {
    if (from && hasMoved(host, from, rules)) moved.set(`${host.id} ${from.family}`, { host, from });
  }
  for (const { host, from } of moved.values()) {
    await tx.setHostAddress(host.id, from);
    const left = lastAddress(host, from.family);
    touched.push(...(await tx.touching(from)), ...(left ? await tx.touching(left) : []));
  }
  return touched;
}

/** Whether a host speaks from a new address that somebody could ban. */
export function hasMoved(host: Host, from: Address, rules: ProtectionRules): boolean {
  const known = lastAddress(host, from.family);
  return known?.text !== from.text && isSingle(from) && refuseByRange(from, rules) === undefined;
}

function lastAddress(host: Host, family: 4 | 6): Address | null {
  return family === 4 ? host.lastIpv4 : host.lastIpv6;
}

function ban({ ledger, tx }: Edit, address: Address, claim: Claim): Verdict {
  const reason = ledger.against(address);
  if (reason) return { outcome: 'refused', reason };
  const before = ledger.state(address);
  const step = putClaim(before, claim, tx.now);
  if (step.kind === 'refused') return { outcome: 'refused', reason: step.reason };
  if (step.kind === 'unchanged') return { outcome: 'unchanged' };
  const after = ledger.put(step.state);
  return { outcome: after.ban?.published && !before.ban?.published ? 'banned' : 'claimed' };
}

function unban({ ledger }: Edit, host: Host, report: Pick<Report, 'address' | 'jail' | 'time'>): Verdict {
  const before = ledger.state(report.address);
  const until = report.time === null ? null : report.time + ROUNDING;
  const step = endClaim(before, { sourceId: host.id, jail: report.jail }, until);
  if (step.kind !== 'recorded') return { outcome: 'unchanged' };
  const after = ledger.put(step.state);
  return { outcome: before.ban?.published && !after.ban?.published ? 'unbanned' : 'released' };
}

/** A time in the future is taken for now: a host whose clock is ahead must not make claims that outlive a lift. */
function claimOf(host: Host, report: BanReport, now: number, rules: ReportRules): Claim {
  const bannedAt = report.time === null || report.time > now + ROUNDING ? now : report.time;
  const bantime = report.bantime ?? rules.defaultBantime;
  const endsAt = bantime < 0 ? null : bannedAt + bantime;
  return { sourceId: host.id, jail: report.jail, bannedAt, endsAt, failures: report.failures };
}

function historyOf(host: Host, report: Report, claim: Claim | undefined, verdict: Verdict): HistoryEntry {
  return {
    sourceId: host.id,
    action: report.action,
    address: report.address,
    jail: report.jail,
    failures: claim?.failures ?? 0,
    bannedAt: claim?.bannedAt ?? null,
    endsAt: claim?.endsAt ?? null,
    restored: report.action === 'ban' && report.restored,
    outcome: verdict.outcome,
    reason: verdict.reason ?? null,
    matches: report.action === 'ban' ? report.matches : null,
  };
}
