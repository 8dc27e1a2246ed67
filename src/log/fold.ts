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
import { openLine } from './chain.js';
import type { Delivery, Queued } from './delivery.js';
import { differenceOf } from './difference.js';

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

/** A line without its hash, and what it says. */
export interface LogLine {
  readonly envelope: Envelope;
  readonly text: string;
  /** Of the chain after it. */
  readonly head: string;
  /** In the file, with its newline. */
  readonly bytes: number;
}

export interface Fold {
  /** Takes the next line, or throws `replay.diverged`. */
  take(line: LogLine): void;
  /** The line just taken was answered in part: its job has more to say before anything else. */
  readonly midJob: boolean;
  /** Seq of the next line. */
  readonly seq: number;
  readonly finished: boolean;
  readonly paused: boolean;
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

  const takeAnswer = ({ envelope, text }: LogLine): void => {
    const { from, to, cause, type } = envelope;
    const oldest = running[0];
    if (oldest?.from !== from || !oldest.open.has(cause)) {
      const awaited = oldest
        ? `an answer of ${oldest.from} to seq ${[...oldest.open.keys()].join(', ')}`
        : 'nothing: all was answered';
      throw diverged(seq, awaited, `${type} of ${from} to seq ${cause}`, { text });
    }
    midJob = !delivery.answered(to, cause);
  };
  const place = (line: LogLine): void => {
    const { type } = line.envelope;
    if (line.envelope.seq !== seq)
      throw diverged(seq, `a line with seq ${seq}`, `one with seq ${line.envelope.seq}`, {});
    if (SEAMS.has(type)) return;
    if (midJob) takeAnswer(line);
    else if (queue.length > 0) compare(queue.shift()!, line);
    else {
      delivery.rest();
      if (!OUTSIDE.has(type)) takeAnswer(line);
    }
  };
  return {
    take(line) {
      const { envelope } = line;
      if (finished) throw diverged(seq, 'the end of the log', envelope.type, {});
      place(line);
      seq++;
      if (envelope.to === 'coordinator' && envelope.type === 'run.pause') paused = true;
      if (envelope.to === 'coordinator' && envelope.type === 'run.resume') paused = false;
      observe(envelope);
      delivery.deliver(envelope);
      finished = isLast(envelope.type);
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

function compare({ from, to, cause, message }: Queued, { envelope, text }: LogLine): void {
  const { v, seq, at } = envelope;
  const { type, body } = message;
  const expected = openLine({ v, seq, at, from, to, cause, type, body });
  if (expected === text) return;
  const { expected: one, got: other } = differenceOf(expected, text);
  throw diverged(seq, one, other, { expectedLine: expected, gotLine: text });
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
