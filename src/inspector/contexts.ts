/**
 * What a machine holds after any message: folded from its own mail, from the nearest state that was set down before. A fold of
 * the whole log sets some down as it goes; so does every question. Kept beside the index, since they take long to make.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Envelope } from '../protocol/messages.js';
import { writeAtomic } from '../store/files.js';
import type { RunIndex } from './run-index.js';

/** The machines folded over messages: what this needs of actors/staging.ts. */
export interface Stage<Frozen = unknown> {
  take(envelope: Envelope): string | null;
  freeze(address: string): Frozen | null;
  thaw(address: string, frozen: Frozen): void;
  contextOf(address: string): { readonly state: string; readonly context: unknown } | null;
}

export interface Contexts {
  /** Called in the order of seqs while a log is folded; sets a machine down now and then. */
  passed(stage: Stage, address: string, seq: number): void;
  /** Of the machine of an address after message `seq`; null if the address is no machine's. */
  at(address: string, seq: number): { readonly state: string; readonly context: unknown } | null;
  save(): void;
}

/** A machine's messages between two states that are set down, at most. */
const SPACING = 2000;
/** Of one machine; when there are more, every other one is dropped. */
const MOST = 64;
/** What takes more room than this is not kept on disk. */
const MOST_BYTES = 1 << 28;

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
): Contexts {
  const marks = isKnown ? readMarks(log) : new Map<string, Mark[]>();
  const spacing = new Map<string, { every: number; since: number }>();

  const setDown = (stage: Stage, address: string, seq: number): void => {
    const pace = spacing.get(address) ?? { every: SPACING, since: 0 };
    spacing.set(address, pace);
    if (++pace.since < pace.every) return;
    pace.since = 0;
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
    pace.every *= 2;
  };
  const isEpisode = (address: string) => address.startsWith('episode:');
  const forksUpTo = (seq: number): number[] => {
    const type = index.names.find('run.forked');
    const found: number[] = [];
    for (let at = 0; type >= 0 && at <= seq; at++) if (index.columns.get('type', at) === type) found.push(at);
    return found;
  };
  return {
    passed(stage, address, seq) {
      if (!isEpisode(address)) setDown(stage, address, seq);
    },
    at(address, seq) {
      const stage = create();
      const mark = marks.get(address)?.findLast((one) => one.seq <= seq);
      const from = mark?.seq ?? -1;
      const forks = forksUpTo(seq);
      for (const fork of forks.filter((one) => one <= from)) stage.take(index.read(fork));
      if (mark) stage.thaw(address, mark.frozen);
      const mail = index.mailOf(address, seq).filter((one) => one > from);
      const later = forks.filter((one) => one > from);
      for (const one of [...mail, ...later].sort((a, b) => a - b)) stage.take(index.read(one));
      return stage.contextOf(address);
    },
    save() {
      const bytes = serialize(marks);
      if (bytes.length <= MOST_BYTES) writeAtomic(fileBeside(log), deflateRawSync(bytes, { level: 1 }));
    },
  };
}
