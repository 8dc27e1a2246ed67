/**
 * Owns: what there is in a data file: its layout, how many rows are of use, and why the others are not. Holds counts, never
 * rows, but for the few to be shown.
 */
import { isSoliloquyError, reasonOf } from '../protocol/errors.js';
import { type WinRate, winRate } from './alpaca-eval.js';
import type { Read } from './layout.js';
import { type DataFile, type Outcome, openData, readOutcomes } from './read.js';
import type { DataRecord } from './records.js';

export interface Reason {
  readonly reason: string;
  /** `row`: the row gave nothing. `part`: it gave something, but not all of it. */
  readonly of: 'row' | 'part';
  readonly count: number;
  /** Line or row where it came first. */
  readonly first: number;
}

export interface Survey {
  readonly file: string;
  readonly format: string;
  readonly unit: 'line' | 'row';
  readonly layout: string;
  readonly title: string;
  readonly rows: number;
  readonly usable: number;
  readonly records: Readonly<Partial<Record<DataRecord['kind'], number>>>;
  readonly reasons: readonly Reason[];
  readonly shown: readonly DataRecord[];
  /** AlpacaEval annotations. */
  readonly winRate?: WinRate;
  /** What stopped the reading before the file's end. */
  readonly stopped?: string;
}

/** Distinct reasons kept; a file with more has none that helps. */
const MAX_REASONS = 100;

class Tally {
  rows = 0;
  usable = 0;
  readonly records: Partial<Record<DataRecord['kind'], number>> = {};
  readonly shown: DataRecord[] = [];
  readonly preferences: number[] = [];
  private last = 0;
  private readonly counts = new Map<string, { -readonly [K in keyof Reason]: Reason[K] }>();

  constructor(private readonly show: number) {}

  add(outcome: Outcome): void {
    const isRow = outcome.number !== this.last;
    this.last = outcome.number;
    if (isRow) this.rows++;
    if ('fault' in outcome) this.leave(outcome.fault, 'row', outcome.number);
    else this.take(outcome, isRow);
  }

  reasons(): readonly Reason[] {
    return [...this.counts.values()].sort((a, b) => b.count - a.count || a.first - b.first);
  }

  private take({ records, left, number }: Read & { readonly number: number }, isRow: boolean): void {
    for (const record of records) this.keep(record);
    const of = records.length > 0 || !isRow ? 'part' : 'row';
    for (const reason of left) this.leave(reason, of, number);
    if (isRow && (records.length > 0 || left.length === 0)) this.usable++;
  }

  private keep(record: DataRecord): void {
    this.records[record.kind] = (this.records[record.kind] ?? 0) + 1;
    if (this.shown.length < this.show) this.shown.push(record);
    if (record.kind === 'annotation' && record.preference !== null) this.preferences.push(record.preference);
  }

  private leave(reason: string, of: Reason['of'], number: number): void {
    const key = `${of} ${reason}`;
    const known = this.counts.get(key);
    if (known) known.count++;
    else if (this.counts.size < MAX_REASONS) this.counts.set(key, { reason, of, count: 1, first: number });
  }
}

export async function surveyFile(file: string, show: number): Promise<Survey> {
  const data = await openData(file);
  const tally = new Tally(show);
  let stopped: string | undefined;
  try {
    for await (const outcome of readOutcomes(data)) tally.add(outcome);
  } catch (error) {
    if (!isSoliloquyError(error)) throw error;
    stopped = reasonOf(error);
  }
  return surveyOf(data, tally, stopped);
}

function surveyOf({ file, layout, rows }: DataFile, tally: Tally, stopped: string | undefined): Survey {
  return {
    file,
    format: rows.format,
    unit: rows.unit,
    layout: layout.name,
    title: layout.title,
    rows: tally.rows,
    usable: tally.usable,
    records: tally.records,
    reasons: tally.reasons(),
    shown: tally.shown,
    ...(layout.name === 'alpaca-eval-annotations' ? { winRate: winRate(tally.preferences) } : {}),
    ...(stopped === undefined ? {} : { stopped }),
  };
}
