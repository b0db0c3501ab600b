// Bench: comparisons as plain aligned text, fit for a terminal and for a code block.
import type { Comparison, Figure, Target, Unit } from './comparison.ts';

const HEAD = ['measure', 'ours', 'beside', '', 'ratio', 'target', ''];
const RIGHT = new Set([1, 3, 4]);
const SUFFIX: Record<Unit, string> = { 'per second': '/s', milliseconds: ' ms', MiB: ' MiB' };

export function tableOf(comparisons: readonly Comparison[]): string {
  const rows = [HEAD, ...comparisons.flatMap(rowsOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (RIGHT.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** One line for each peer; the target is judged by the first. */
function rowsOf({ measure, unit, ours, peers, target, holds }: Comparison): string[][] {
  const verdict = holds === undefined ? '' : holds ? 'holds' : 'MISSED';
  const [first, ...others] = peers;
  const lead = first ? [first.name, shown(first.figure, unit), ratioText(first.ratio)] : ['', '', ''];
  return [
    [measure, shown(ours, unit), ...lead, target ? targetText(target, unit) : '', verdict],
    ...others.map(({ name, figure, ratio }) => ['', '', name, shown(figure, unit), ratioText(ratio), '', '']),
  ];
}

function shown(figure: Figure, unit: Unit): string {
  const cpu = figure.cpu === undefined ? '' : ` (${figure.cpu.toPrecision(2)} ms CPU)`;
  return `${numberText(figure.median)}${SUFFIX[unit]}${cpu}`;
}

function numberText(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

function ratioText(ratio: number): string {
  return ratio.toFixed(2);
}

function targetText({ kind, value }: Target, unit: Unit): string {
  if (kind === 'at most') return `≤ ${value}${SUFFIX[unit]}`;
  return kind === 'ratio at most' ? `≤ ${value} ×` : `≥ ${value} ×`;
}
