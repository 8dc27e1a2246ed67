/**
 * Reads messages.jsonl line by line: chain checked, each line validated at this door, memory flat. A torn last line (a
 * crash in mid-write) ends the reading and is reported; any other bad line is an error that names the file and the line.
 */
import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { type Envelope, FORMAT_VERSION, messageSchema } from '../protocol/messages.js';
import { checkLine, GENESIS } from './chain.js';

const head = z.object({
  v: z.literal(FORMAT_VERSION),
  seq: z.number().int(),
  at: z.number(),
  from: z.string(),
  to: z.string(),
  cause: z.number().int(),
});

function parseLine(file: string, number: number, line: string): Envelope {
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
  if (!envelope.success)
    throw bad(`not a message of format ${FORMAT_VERSION} (${z.prettifyError(envelope.error)})`);
  const message = messageSchema.safeParse(raw);
  if (!message.success) throw bad(`no known message (${z.prettifyError(message.error)})`);
  return { ...envelope.data, ...message.data } as Envelope;
}

export interface LogEnd {
  readonly head: string;
  readonly count: number;
  /** True if a torn last line was left out. */
  readonly torn: boolean;
}

/** Yields every envelope; the generator's return value tells how the log ended. */
export async function* readLog(file: string): AsyncGenerator<Envelope, LogEnd> {
  let previous = GENESIS;
  let count = 0;
  let failed: { line: number } | undefined;
  const lines = createInterface({ input: openForReading(file), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    if (failed)
      throw new SoliloquyError('log.invalid', `${file}: chain broken at line ${failed.line}`, {
        file,
        line: failed.line,
        fix: 'restore the file from a copy',
      });
    const next = checkLine(previous, line);
    if (next === undefined) {
      failed = { line: count + 1 };
      continue;
    }
    previous = next;
    count++;
    yield parseLine(file, count, line);
  }
  return { head: previous, count, torn: failed !== undefined };
}

function openForReading(file: string) {
  if (!existsSync(file))
    throw new SoliloquyError('run.missing', `there is no log ${file}`, {
      file,
      fix: 'name the folder of a run, such as runs/paper-1',
    });
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
