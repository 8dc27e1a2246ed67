/**
 * The Progress view's answer: a fold over the log, kept up with it a block at a time between requests, so that a long log blocks
 * nobody. An answer may be of a part of the log; it says how far it has come, and whoever wants more asks again.
 */
import type { House, OpenRun } from './house.js';
import { envelopeIn } from './line-head.js';
import type { Progress } from './progress-facts.js';
import { BILLS, createProgressFold, FOLDED, type ProgressFold, type ScoreOf } from './progress-fold.js';
import type { RunIndex } from './run-index.js';
import { createThroughputFold, type ThroughputFold } from './throughput.js';

/** Lines are read in blocks of about so many bytes. */
const BLOCK = 1 << 20;
/** One answer waits for no more blocks than these. */
const BLOCKS = 8;
/** As it stands in a line and, its quotes being bare, in no text. */
const USAGE = Buffer.from('"usage":{');

interface Folding {
  readonly fold: ProgressFold;
  readonly throughput: ThroughputFold;
  next: number;
  working: Promise<void> | null;
}

const foldings = new WeakMap<OpenRun, Folding>();

function foldingOf(run: OpenRun, scoreOf: ScoreOf): Folding {
  const known = foldings.get(run);
  if (known) return known;
  const made: Folding = {
    fold: createProgressFold(scoreOf),
    throughput: createThroughputFold(),
    next: 0,
    working: null,
  };
  foldings.set(run, made);
  return made;
}

/** Numbers of these types in the index. */
const idsOf = ({ names }: RunIndex, types: ReadonlySet<string>): ReadonlySet<number> =>
  new Set([...types].map(names.find));

function foldBlock(folding: Folding, index: RunIndex): void {
  const { columns, tail } = index;
  const { next } = folding;
  const begin = columns.get('offset', next);
  const endOf = (seq: number) => columns.get('offset', seq) + columns.get('bytes', seq);
  let end = next + 1;
  while (end < index.count && endOf(end) - begin < BLOCK) end++;
  const [folded, bills] = [idsOf(index, FOLDED), idsOf(index, BILLS)];
  const block = tail.read(begin, endOf(end - 1) - begin);
  for (let seq = next; seq < end; seq++) {
    const type = columns.get('type', seq);
    const isFolded = folded.has(type);
    if (!isFolded && !bills.has(type)) continue;
    const line = block.subarray(columns.get('offset', seq) - begin, endOf(seq) - begin);
    if (isFolded || line.includes(USAGE)) folding.fold.take(envelopeIn(line));
  }
  folding.throughput.take(index, next, end);
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
  return { count, folded: folding.next, ...folding.fold.told(), throughput: folding.throughput.told() };
}
