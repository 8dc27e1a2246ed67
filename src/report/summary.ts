/**
 * The end of a run, as a person reads it in a terminal: lineage, head to head, judging, the hacking gap, and why episodes
 * gave no pair. Every number is one of the tally's; "–" stands where a number is undefined.
 */
import Table from 'cli-table3';
import type { Usage } from '../protocol/messages.js';
import { addUsage } from '../stages/usage.js';
import { counts, DASH, metricOf, number, opponents, percent, record, withInterval } from './metric-text.js';
import type { IterationTally, Tally } from './tally.js';

export type Row = readonly string[];

/** Columns without frames: those of text (by place) to the left, the others to the right. */
export function table(head: Row, rows: readonly Row[], text: readonly number[] = [0]): string {
  const out = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (text.includes(i) ? 'left' : 'right')),
    chars: {
      mid: '',
      'left-mid': '',
      'mid-mid': '',
      'right-mid': '',
      top: '─',
      'top-mid': '─',
      'top-left': ' ',
      'top-right': ' ',
      bottom: '─',
      'bottom-mid': '─',
      'bottom-left': ' ',
      'bottom-right': ' ',
      left: ' ',
      right: ' ',
      middle: ' ',
    },
  });
  out.push(...rows.map((row) => [...row]));
  return out.toString();
}

export const world = (tally: Tally): string => `World\n${tally.notes.map((note) => ` ${note}`).join('\n')}`;

export function lineage(tally: Tally): string {
  const rows = tally.versions.map(
    ({ version, from, reference, datasets, rows, tooLong, judge, weightsHash, adapter }) => [
      adapter ? `${version} (LoRA ${adapter.rank})` : version,
      from,
      reference ?? DASH,
      datasets.join(' + '),
      tooLong > 0 ? `${rows} (${tooLong} too long)` : String(rows),
      judge ?? DASH,
      weightsHash.slice(0, 12),
    ],
  );
  return `Lineage\n${table(['version', 'from', 'DPO reference', 'data', 'rows', 'judged by', 'weights'], rows)}`;
}

export function headToHead(tally: Tally): string {
  const rows = opponents(tally).map(({ version, against }) => [
    `${version} vs ${against}`,
    record(tally, version, `h2h.oracle.${against}`),
    withInterval(metricOf(tally, version, `h2h.oracle.${against}.margin`), (v) => (100 * v).toFixed(1)),
    record(tally, version, `h2h.judge.${against}`),
  ]);
  return `Head to head on held-out prompts (win / tie / loss, %)\n${table(['', 'by the true score', 'win − loss [95 %]', 'by its own judge'], rows)}`;
}

export function judging(tally: Tally): string {
  const rows = [...tally.metrics.keys()].map((version) => {
    const of = (name: string) => metricOf(tally, version, name);
    return [
      version,
      withInterval(of('judge.pairwise'), (v) => (100 * v).toFixed(1)),
      percent(of('judge.fiveBest')?.value),
      percent(of('judge.exactMatch')?.value),
      number(of('judge.spearman')?.value, 3),
      number(of('judge.kendall')?.value, 3),
      percent(of('judge.ties')?.value),
      percent(of('judge.unparseable')?.value),
    ];
  });
  return `As a judge, on the frozen probe bank\n${table(['', 'pairwise % [95 %]', '5-best %', 'exact %', 'Spearman', 'Kendall', 'ties %', 'unreadable %'], rows)}`;
}

export function gap(tally: Tally): string {
  const rows = [...tally.metrics.keys()].map((version) => {
    const of = (name: string) => metricOf(tally, version, name);
    return [
      version,
      withInterval(of('true.score'), (v) => v.toFixed(2)),
      number(of('self.score')?.value, 2),
      withInterval(of('gap'), (v) => v.toFixed(2)),
      number(of('length')?.value, 1),
      number(of('unique')?.value, 2),
      number(of('kl')?.value, 2),
    ];
  });
  return `Score and hacking gap (0–5; gap = self − true, above 0 the judge flatters)\n${table(['', 'true score [95 %]', 'self-score', 'gap [95 %]', 'tokens', 'unique', 'drift'], rows)}`;
}

function iterationLines(tally: IterationTally): string[] {
  const { iteration, asks, prompts, pairs, judgements, unparseable, scores, scoreSum } = tally;
  const withheld = Object.fromEntries(
    Object.entries(tally.withheld).filter(([reason]) => reason !== 'filtered'),
  );
  const mean = scores > 0 ? `, mean ${(scoreSum / scores).toFixed(2)}` : '';
  return [
    `iteration ${iteration}: ${asks} asks → ${prompts} new prompts → ${pairs} pairs`,
    `  filtered: ${counts(tally.filtered)}`,
    `  no pair: ${counts(withheld)}`,
    `  judgements: ${judgements}, of which ${unparseable} unreadable (${judgements ? ((100 * unparseable) / judgements).toFixed(1) : '0'} %)${mean}`,
  ];
}

export function episodes(tally: Tally): string {
  const lines = [...tally.iterations.values()].flatMap(iterationLines);
  const { eft } = tally;
  if (eft) lines.unshift(`EFT made by the SFT baseline: ${eft.kept} kept; left out: ${counts(eft.leftOut)}`);
  for (const [role, { taken, made }] of tally.recorded)
    lines.push(`${role}: ${taken} answers from the record, ${made} made here`);
  return `Episodes\n${lines.map((line) => ` ${line}`).join('\n')}`;
}

/** What servers were asked for and what it has cost; nothing where none was asked. */
export function servers(tally: Tally): string {
  const rows = [...tally.usage].flatMap(([endpoint, own]) => [
    ...[...own].map(([by, usage]) => [endpoint, by, ...usageCells(usage)]),
    ...(own.size > 1 ? [[endpoint, 'all', ...usageCells([...own.values()].reduce(addUsage))]] : []),
  ]);
  if (rows.length === 0) return '';
  const head = ['endpoint', 'asked by', 'requests', 'sent again', 'tokens in', 'tokens out', 'cost'];
  return `Endpoints\n${table(head, rows, [0, 1])}`;
}

function usageCells({ requests, retries, promptTokens, completionTokens, untold, cost, currency }: Usage) {
  const tokens = (count: number) => (untold === requests ? DASH : `${untold > 0 ? '≥ ' : ''}${count}`);
  const paid = cost === null ? DASH : `${untold > 0 ? '≥ ' : ''}${cost.toPrecision(4)} ${currency}`;
  return [String(requests), String(retries), tokens(promptTokens), tokens(completionTokens), paid];
}

/** What a reader must not overlook. */
export function warnings(tally: Tally): string[] {
  const out: string[] = [];
  for (const { iteration, judgements, unparseable, pairs, prompts } of tally.iterations.values()) {
    if (judgements > 0 && unparseable / judgements > 0.5)
      out.push(
        `iteration ${iteration}: ${unparseable} of ${judgements} judgements can't be read: this model can't judge in this format, so its scores mean little`,
      );
    if (prompts > 0 && pairs === 0)
      out.push(
        `iteration ${iteration}: no pair was made, so M${iteration + 1} has the weights of M${iteration}`,
      );
  }
  if (tally.eft?.kept === 0)
    out.push('the SFT baseline wrote no usable evaluation data: M1 was trained on demonstrations only');
  if (tally.crashes > 0) out.push(`${tally.crashes} worker crash(es); their tasks were done again`);
  return out;
}

export function summary(tally: Tally): string {
  const notes = warnings(tally).map((line) => ` ! ${line}`);
  const parts = [
    world(tally),
    lineage(tally),
    headToHead(tally),
    judging(tally),
    gap(tally),
    episodes(tally),
    servers(tally),
  ].filter((part) => part !== '');
  if (notes.length > 0) parts.push(`Mind\n${notes.join('\n')}`);
  return parts.join('\n\n');
}
