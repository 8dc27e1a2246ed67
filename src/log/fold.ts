/**
 * Folds a log through the same roles and addressees that made it: no model, no clock, no writing. What a role says must be what
 * the log says it said, byte for byte; what an addressee answered is taken from the log, in the order in which a live run
 * delivers it. After any line the delivery is in the state in which the live run was, so that a run can go on from there.
 *
 * Order (docs/decisions/0002): the queue empties before an addressee's answer or a message from outside is taken; all answers of
 * one job stand side by side; jobs answer in the order in which they were decided on.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { Envelope, MessageType } from '../protocol/messages.js';
import { GENESIS, isSealed, openLine } from './chain.js';
import type { Delivery, Queued } from './delivery.js';
import { differenceOf } from './difference.js';
import { envelopeOf, type LogEnd, type LogLine, readLines } from './reader.js';

/** Said from outside, while nothing waited. */
const OUTSIDE: ReadonlySet<MessageType> = new Set<MessageType>([
  'run.start',
  'run.pause',
  'run.resume',
  'worker.crashed',
  'training.stepped',
]);
/** Said by who goes on with a log; they stand wherever it was cut. */
const SEAMS: ReadonlySet<MessageType> = new Set<MessageType>(['run.forked', 'run.resumed']);

export interface Fold {
  /** Takes the next line and gives what it says, or throws `replay.diverged`. */
  take(line: LogLine): Envelope;
  /** The line just taken was answered in part: its job has more to say before anything else. */
  readonly midJob: boolean;
  /** Seq of the next line. */
  readonly seq: number;
  readonly finished: boolean;
  readonly paused: boolean;
}

export interface Folded {
  /** Null where the fold ended before the log did. */
  readonly end: LogEnd | null;
  /** Of the lines that were folded. */
  readonly head: string;
  readonly bytes: number;
}

/** Folds the lines whose seq is below `until`; a promise of `taken` holds the fold. */
export async function foldLog(
  file: string,
  fold: Fold,
  until = Number.POSITIVE_INFINITY,
  taken: (envelope: Envelope) => void | Promise<void> = () => undefined,
): Promise<Folded> {
  const blocks = readLines(file);
  let head = GENESIS;
  let bytes = 0;
  for (;;) {
    const step = await blocks.next();
    if (step.done) return { end: step.value, head, bytes };
    for (const line of step.value) {
      if (fold.seq >= until) {
        await blocks.return(undefined as never);
        return { end: null, head, bytes };
      }
      const envelope = fold.take(line);
      head = line.head;
      bytes += line.bytes;
      const held = taken(envelope);
      if (held) await held;
    }
  }
}

export interface FoldOptions {
  readonly delivery: Delivery;
  /** Sees every envelope before it is delivered, as in a live run. */
  readonly observe: (envelope: Envelope) => void;
  readonly isLast: (type: MessageType) => boolean;
}

export function createFold({ delivery, observe, isLast }: FoldOptions): Fold {
  const { queue, running } = delivery;
  let seq = 0;
  let midJob = false;
  let finished = false;
  let paused = false;

  const takeAnswer = ({ from, to, cause, type }: Envelope): void => {
    const oldest = running[0];
    if (oldest?.from !== from || !oldest.open.has(cause)) {
      const awaited = oldest
        ? `an answer of ${oldest.from} to seq ${[...oldest.open.keys()].join(', ')}`
        : 'nothing: all was answered';
      throw diverged(seq, awaited, `${type} of ${from} to seq ${cause}`, {});
    }
    midJob = !delivery.answered(to, cause);
  };
  /** A line that no role says. */
  const place = (line: LogLine): Envelope => {
    const envelope = envelopeOf(line);
    const { type } = envelope;
    if (SEAMS.has(type)) return envelope;
    if (midJob) takeAnswer(envelope);
    else if (queue.length > 0) throw unlike(queue[0]!, envelope);
    else {
      delivery.rest();
      if (!OUTSIDE.has(type)) takeAnswer(envelope);
    }
    return envelope;
  };
  return {
    take(line) {
      const said = midJob || queue.length === 0 ? undefined : saidAs(queue[0]!, line.line);
      if (finished) throw diverged(seq, 'the end of the log', `line ${line.number}`, {});
      if (said) queue.shift();
      const envelope = said ?? place(line);
      if (envelope.seq !== seq)
        throw diverged(seq, `a line with seq ${seq}`, `one with seq ${envelope.seq}`, {});
      seq++;
      if (envelope.to === 'coordinator' && envelope.type === 'run.pause') paused = true;
      if (envelope.to === 'coordinator' && envelope.type === 'run.resume') paused = false;
      observe(envelope);
      delivery.deliver(envelope);
      finished = isLast(envelope.type);
      return envelope;
    },
    get midJob() {
      return midJob;
    },
    get seq() {
      return seq;
    },
    get finished() {
      return finished;
    },
    get paused() {
      return paused;
    },
  };
}

const BEGINNING = /^\{"v":(\d+),"seq":(\d+),"at":([^,]+),/;

/** The envelope of what was said, if the line is it, byte for byte. Then nothing of the line needs to be parsed. */
function saidAs({ from, to, cause, message: { type, body } }: Queued, line: string): Envelope | undefined {
  const found = BEGINNING.exec(line);
  if (!found) return undefined;
  const open = found[0] + JSON.stringify({ from, to, cause, type, body }).slice(1, -1);
  if (!isSealed(line, open)) return undefined;
  return { v: Number(found[1]), seq: Number(found[2]), at: Number(found[3]), from, to, cause, type, body };
}

function unlike({ from, to, cause, message: { type, body } }: Queued, got: Envelope): SoliloquyError {
  const { v, seq, at } = got;
  const [expectedLine, gotLine] = [openLine({ v, seq, at, from, to, cause, type, body }), openLine(got)];
  const difference = differenceOf(expectedLine, gotLine);
  return diverged(seq, difference.expected, difference.got, { expectedLine, gotLine });
}

function diverged(seq: number, expected: string, got: string, fields: Readonly<Record<string, unknown>>) {
  return new SoliloquyError('replay.diverged', `diverged at seq ${seq}: expected ${expected}, got ${got}`, {
    ...fields,
    seq,
    expected,
    got,
    fix: 'the log was changed, or written by another version of the machines: `soliloquy fork --at` goes on from any seq before it',
  });
}
