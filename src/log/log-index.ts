/**
 * Random access to a log: where each line begins, what it answers and of what type it is. A few numbers a message, no envelope is
 * held. Chain and lines are checked once, while the index is built (reader.ts); a line is read again when it is asked for.
 */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import type { Envelope, MessageType } from '../protocol/messages.js';
import { readLog } from './reader.js';

export interface LogIndex {
  /** Messages; their seqs are 0 … count − 1. */
  readonly count: number;
  /** True if a torn last line was left out. */
  readonly torn: boolean;
  /** Hash of the last whole line. */
  readonly head: string;
  read(seq: number): Envelope;
  causeOf(seq: number): number;
  typeOf(seq: number): MessageType;
  /** Seqs of a type, ascending. */
  seqsOf(type: MessageType): number[];
  /** Seqs that name this one as their cause, ascending. */
  effectsOf(seq: number): number[];
  close(): void;
}

/** Where each line of a file begins, and where the last one ends. */
async function lineStarts(file: string): Promise<number[]> {
  const starts = [0];
  let offset = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) {
    const bytes = chunk as Buffer;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) starts.push(offset + at + 1);
    offset += bytes.length;
  }
  return starts;
}

/** Reads the whole log once; `visit` sees every envelope on the way. */
export async function indexLog(
  file: string,
  visit: (envelope: Envelope) => void = () => {},
): Promise<LogIndex> {
  const causes: number[] = [];
  const types: MessageType[] = [];
  const log = readLog(file);
  let step = await log.next();
  for (; !step.done; step = await log.next()) {
    const { cause, type } = step.value;
    causes.push(cause);
    types.push(type);
    visit(step.value);
  }
  const { head, torn, count } = step.value;
  // After the reading, so that a log that is being written has no line without a start.
  const starts = await lineStarts(file);
  const fd = openSync(file, 'r');
  const where = (holds: (seq: number) => boolean) => causes.flatMap((_, seq) => (holds(seq) ? [seq] : []));
  return {
    count,
    torn,
    head,
    read(seq) {
      const start = starts[seq]!;
      const bytes = Buffer.alloc(starts[seq + 1]! - start);
      readSync(fd, bytes, 0, bytes.length, start);
      const { h: _, ...envelope } = JSON.parse(bytes.toString('utf8')) as Envelope & { h: string };
      return envelope;
    },
    causeOf: (seq) => causes[seq]!,
    typeOf: (seq) => types[seq]!,
    seqsOf: (type) => where((seq) => types[seq] === type),
    effectsOf: (seq) => where((one) => causes[one] === seq),
    close: () => closeSync(fd),
  };
}
