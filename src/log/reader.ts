/**
 * Reads messages.jsonl a block at a time: chain checked, memory flat; a line is validated when it is turned into an envelope. A
 * torn last line (a crash in mid-write) ends the reading and is reported; any other bad line is an error that names the file and
 * the line. A body is given as it was written, field for field: a replay compares texts.
 */
import { createReadStream, existsSync } from 'node:fs';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { type Envelope, FORMAT_VERSION, messageSchema } from '../protocol/messages.js';
import { checkBytes, GENESIS } from './chain.js';

const head = z.object({
  v: z.number().int(),
  seq: z.number().int(),
  at: z.number(),
  from: z.string(),
  to: z.string(),
  cause: z.number().int(),
});

/**
 * How a line of an older format becomes one of this. 1 → 2: nothing in a line has changed; 2 has `run.forked` and `run.resumed`,
 * and messages from outside enter only when nothing waits.
 */
const UPGRADES: Readonly<Record<number, (envelope: Envelope) => Envelope>> = { 1: (envelope) => envelope };

function upgraded(file: string, number: number, envelope: Envelope): Envelope {
  const version: number = envelope.v;
  if (version === FORMAT_VERSION) return envelope;
  const upgrade = UPGRADES[version];
  if (upgrade) return upgrade(envelope);
  throw new SoliloquyError('log.invalid', `${file}, line ${number}: a log of format ${version}`, {
    file,
    line: number,
    fix: `this program reads formats 1 to ${FORMAT_VERSION}: take a newer one`,
  });
}

/** A line whose hash is right. */
export interface LogLine {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  /** Without its newline. */
  readonly line: string;
  /** Of the chain after it. */
  readonly head: string;
  /** In the file, with its newline. */
  readonly bytes: number;
}

/** What a line says, or `log.invalid` that names it. */
export function envelopeOf({ file, number, line }: LogLine): Envelope {
  const bad = (why: string, cause?: unknown) =>
    new SoliloquyError(
      'log.invalid',
      `${file}, line ${number}: ${why}`,
      { file, line: number, fix: 'restore the file from a copy' },
      { cause },
    );
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    throw bad(`not JSON (${reasonOf(error)})`, error);
  }
  const envelope = head.safeParse(raw);
  if (!envelope.success) throw bad(`not a message (${z.prettifyError(envelope.error)})`);
  const { type, body } = raw as Envelope;
  const whole = upgraded(file, number, { ...envelope.data, type, body } as Envelope);
  const message = messageSchema.safeParse({ type, body });
  if (!message.success) throw bad(`no known message (${z.prettifyError(message.error)})`);
  return whole;
}

export interface LogEnd {
  readonly head: string;
  readonly count: number;
  /** True if a last line that is not whole was left out. */
  readonly torn: boolean;
  /** That line ends with a newline: no crash in mid-write leaves that, so the file was changed. */
  readonly damaged: boolean;
  /** Bytes of the whole lines, and of the file. */
  readonly bytes: number;
  readonly size: number;
}

/** The line after `count` good ones doesn't continue the chain. */
export const broken = (file: string, count: number) =>
  new SoliloquyError('log.invalid', `${file}: chain broken at seq ${count} (line ${count + 1})`, {
    file,
    line: count + 1,
    seq: count,
    fix: 'restore the file from a copy; all before that line is good (`soliloquy fork --at` goes on from there)',
  });

/** Yields the lines of each block of the file; the generator's return value tells how the log ended. */
export async function* readLines(file: string): AsyncGenerator<readonly LogLine[], LogEnd> {
  let previous = GENESIS;
  let count = 0;
  let bytes = 0;
  let size = 0;
  let rest: Buffer = Buffer.alloc(0);
  let failed = false;
  const take = (line: Buffer, length: number): LogLine | undefined => {
    if (failed) throw broken(file, count);
    const next = checkBytes(previous, line);
    if (next === undefined) {
      failed = true;
      return undefined;
    }
    previous = next;
    count++;
    bytes += length;
    return { file, number: count, line: line.toString('utf8'), head: next, bytes: length };
  };
  for await (const block of openForReading(file)) {
    size += (block as Buffer).length;
    const data = rest.length === 0 ? (block as Buffer) : Buffer.concat([rest, block as Buffer]);
    const lines: LogLine[] = [];
    let at = 0;
    let failure: unknown;
    try {
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, at)) {
        const line = take(data.subarray(at, end), end + 1 - at);
        if (line) lines.push(line);
        at = end + 1;
      }
    } catch (error) {
      failure = error;
    }
    if (lines.length > 0) yield lines;
    if (failure !== undefined) throw failure;
    rest = data.subarray(at);
  }
  const damaged = failed;
  if (rest.length > 0) {
    const line = take(rest, rest.length);
    if (line) yield [line];
  }
  return { head: previous, count, torn: failed, damaged, bytes, size };
}

/** Yields every envelope; the generator's return value tells how the log ended. */
export async function* readLog(file: string): AsyncGenerator<Envelope, LogEnd> {
  const blocks = readLines(file);
  for (;;) {
    const step = await blocks.next();
    if (step.done) return step.value;
    for (const line of step.value) yield envelopeOf(line);
  }
}

/** Throws `run.missing`. */
export function checkThere(file: string): void {
  if (!existsSync(file))
    throw new SoliloquyError('run.missing', `there is no log ${file}`, {
      file,
      fix: 'name the folder of a run, such as runs/paper-1',
    });
}

function openForReading(file: string) {
  checkThere(file);
  return createReadStream(file, { highWaterMark: 1 << 18 });
}

/** All envelopes at once, for short logs and tests. */
export async function readWholeLog(file: string): Promise<{ envelopes: Envelope[]; end: LogEnd }> {
  const envelopes: Envelope[] = [];
  const log = readLog(file);
  for (;;) {
    const step = await log.next();
    if (step.done) return { envelopes, end: step.value };
    envelopes.push(step.value);
  }
}
