/**
 * What a machine holds after any message: folded from its own mail, from the nearest state that was set down before. A fold of
 * the whole log sets some down as it goes; so does every question. Kept beside the index, since they take long to make.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Envelope } from '../protocol/messages.js';
import type { Clock } from '../protocol/ports.js';
import { writeAtomic } from '../store/files.js';
import type { RunIndex } from './run-index.js';

/** What a machine holds: its state, its context, and the numbers of the transitions that its last message took. */
export interface Held {
  readonly state: string;
  readonly context: unknown;
  readonly taken: readonly number[];
}

/** The machines folded over messages: what this needs of actors/staging.ts. */
export interface Stage<Frozen = unknown> {
  take(envelope: Envelope): string | null;
  freeze(address: string): Frozen | null;
  thaw(address: string, frozen: Frozen): void;
  contextOf(address: string): Held | null;
}

export interface Contexts {
  /** Has the stage take message `seq`, which is the next of the machine's mail; sets the machine down now and then. */
  take(stage: Stage, envelope: Envelope, seq: number): string | null;
  /** Of the machine of an address after message `seq`; null if the address is no machine's. */
  at(address: string, seq: number): Held | null;
  save(): void;
}

/** A machine's messages between two states that are set down, at most; and how long it takes to fold them. */
const SPACING = 2000;
const SPACING_MS = 200;
/** Of one machine; when there are more, every other one is dropped. */
const MOST = 64;
/** What takes more room than this is not kept on disk. */
const MOST_BYTES = 1 << 28;

/** The fold of the last question, gone on with by one that asks for the same machine later in time. */
interface Warm {
  readonly address: string;
  readonly seq: number;
  readonly stage: Stage;
}

interface Mark {
  readonly seq: number;
  readonly frozen: unknown;
}

const fileBeside = (log: string): string => join(dirname(log), 'index', 'contexts.bin');

function readMarks(log: string): Map<string, Mark[]> {
  const file = fileBeside(log);
  try {
    if (!existsSync(file)) return new Map();
    return deserialize(inflateRawSync(readFileSync(file))) as Map<string, Mark[]>;
  } catch {
    return new Map(); // damaged: made again
  }
}

export function createContexts(
  log: string,
  index: RunIndex,
  isKnown: boolean,
  create: () => Stage,
  clock: Clock,
): Contexts {
  const marks = isKnown ? readMarks(log) : new Map<string, Mark[]>();
  let warm: Warm | undefined;
  /** `since`, `spent`: messages and milliseconds since it was set down; `times`: so many times as far apart as at first. */
  const spacing = new Map<string, { times: number; since: number; spent: number }>();

  const setDown = (stage: Stage, address: string, seq: number, spent: number): void => {
    const pace = spacing.get(address) ?? { times: 1, since: 0, spent: 0 };
    spacing.set(address, pace);
    pace.since++;
    pace.spent += spent;
    if (pace.since < pace.times * SPACING && pace.spent < pace.times * SPACING_MS) return;
    Object.assign(pace, { since: 0, spent: 0 });
    const own = marks.get(address) ?? [];
    if ((own.at(-1)?.seq ?? -1) >= seq) return;
    const frozen = stage.freeze(address);
    if (frozen !== null) own.push({ seq, frozen });
    marks.set(address, own);
    if (own.length <= MOST) return;
    marks.set(
      address,
      own.filter((_, i) => i % 2 === 1),
    );
    pace.times *= 2;
  };
  const isEpisode = (address: string) => address.startsWith('episode:');
  const forksUpTo = (seq: number): number[] => {
    const type = index.names.find('run.forked');
    const found: number[] = [];
    for (let at = 0; type >= 0 && at <= seq; at++) if (index.columns.get('type', at) === type) found.push(at);
    return found;
  };
  /** A machine as it stood at a mark. */
  const setOut = (address: string, mark: Mark | undefined, seq: number): Warm => {
    const stage = create();
    const from = mark?.seq ?? -1;
    for (const fork of forksUpTo(Math.min(from, seq))) stage.take(index.read(fork));
    if (mark) stage.thaw(address, mark.frozen);
    return { address, seq: from, stage };
  };
  const take = (stage: Stage, envelope: Envelope, seq: number): string | null => {
    const begin = clock.now();
    const state = stage.take(envelope);
    if (!isEpisode(envelope.to)) setDown(stage, envelope.to, seq, clock.now() - begin);
    return state;
  };
  return {
    take,
    at(address, seq) {
      const mails = index.mailOf(address, seq);
      // The last message is always taken here: what it took is told too.
      const mark = marks.get(address)?.findLast((one) => one.seq < (mails.at(-1) ?? -1));
      const isWarm = warm?.address === address && warm.seq <= seq && warm.seq >= (mark?.seq ?? -1);
      const { stage, seq: from } = isWarm ? warm! : setOut(address, mark, seq);
      warm = undefined;
      const mail = mails.filter((one) => one > from);
      const later = forksUpTo(seq).filter((one) => one > from);
      for (const one of [...mail, ...later].sort((a, b) => a - b)) take(stage, index.read(one), one);
      warm = { address, seq, stage };
      return stage.contextOf(address);
    },
    save() {
      const bytes = serialize(marks);
      if (bytes.length <= MOST_BYTES) writeAtomic(fileBeside(log), deflateRawSync(bytes, { level: 1 }));
    },
  };
}
