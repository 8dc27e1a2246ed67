/**
 * The Progress view's answer: a fold over the log, kept up with it a block at a time between requests, so that a long log blocks
 * nobody. An answer may be of a part of the log; it says how far it has come, and whoever wants more asks again.
 */
import type { House, OpenRun } from './house.js';
import { envelopeIn } from './line-head.js';
import type { Progress } from './progress-facts.js';
import { BILLS, createProgressFold, FOLDED, type ProgressFold, type ScoreOf } from './progress-fold.js';
import type { RunIndex } from './run-index.js';
import { throughputOf } from './throughput.js';

/** Lines are read in blocks of about so many bytes. */
const BLOCK = 1 << 20;
/** One answer waits for no more blocks than these. */
const BLOCKS = 16;
/** As it stands in a line and, its quotes being bare, in no text. */
const USAGE = Buffer.from('"usage":{');

interface Folding {
  readonly fold: ProgressFold;
  next: number;
  working: Promise<void> | null;
  throughput: { readonly count: number; readonly told: Progress['throughput'] } | null;
}

const foldings = new WeakMap<OpenRun, Folding>();

function foldingOf(run: OpenRun, scoreOf: ScoreOf): Folding {
  const known = foldings.get(run);
  if (known) return known;
  const made: Folding = { fold: createProgressFold(scoreOf), next: 0, working: null, throughput: null };
  foldings.set(run, made);
  return made;
}

/** What the types of a log mean to the fold, by their number in the index. */
const wantedIn = ({ names }: RunIndex) =>
  names.all.map((name) => (FOLDED.has(name) ? 'fold' : BILLS.has(name) ? 'bill' : null));

function foldBlock(folding: Folding, index: RunIndex): void {
  const { columns, tail } = index;
  const { next } = folding;
  const begin = columns.get('offset', next);
  const endOf = (seq: number) => columns.get('offset', seq) + columns.get('bytes', seq);
  let end = next + 1;
  while (end < index.count && endOf(end) - begin < BLOCK) end++;
  const wanted = wantedIn(index);
  const block = tail.read(begin, endOf(end - 1) - begin);
  for (let seq = next; seq < end; seq++) {
    const want = wanted[columns.get('type', seq)];
    if (!want) continue;
    const line = block.subarray(columns.get('offset', seq) - begin, endOf(seq) - begin);
    if (want === 'fold' || line.includes(USAGE)) folding.fold.take(envelopeIn(line));
  }
  folding.next = end;
}

async function advance(folding: Folding, index: RunIndex): Promise<void> {
  for (let blocks = 0; blocks < BLOCKS && folding.next < index.count; blocks++) {
    foldBlock(folding, index);
    await new Promise((done) => setImmediate(done));
  }
}

export async function progress({ measures }: House, run: OpenRun): Promise<Progress> {
  const { index } = run.watched;
  const folding = foldingOf(run, measures.scoreOf);
  folding.working ??= advance(folding, index).finally(() => {
    folding.working = null;
  });
  await folding.working;
  const { count } = index;
  if (folding.throughput?.count !== count) folding.throughput = { count, told: throughputOf(index) };
  return { count, folded: folding.next, ...folding.fold.told(), throughput: folding.throughput.told };
}
