/**
 * What the page may change, each only with the token: a live run is held, stepped, released, stopped; a fork is started.
 */
import { z } from 'zod';
import { refusal, valid } from './door.js';
import type { House, OpenRun, Started } from './house.js';
import { headOf, type RunHead } from './reading.js';

const actionSchema = z.strictObject({ action: z.enum(['hold', 'step', 'release', 'stop']) });

const text = z.string().min(1).max(10_000);
const forkSchema = z.strictObject({
  at: z.string().regex(/^(\d+|M\d+|SFT)$/, 'a seq or a version'),
  cast: z
    .strictObject({
      generator: text.exactOptional(),
      responder: text.exactOptional(),
      judge: text.exactOptional(),
      trainer: text.exactOptional(),
    })
    .default({}),
  set: z
    .array(text.regex(/^[\w.]+=/, 'path.to.option=value'))
    .max(50)
    .default([]),
  override: z
    .array(text.regex(/^[\w.]+@\d+\./, 'type@seq.path=value'))
    .max(50)
    .default([]),
});

export function act(run: OpenRun, body: unknown): RunHead {
  const { action } = valid(actionSchema, body, 'body');
  if (run.control === null)
    throw refusal(
      409,
      'this run is not in this process, so it can only be watched',
      'start it with `soliloquy run --inspect` (or resume, fork), or fork it here',
    );
  if (run.control.ended) throw refusal(409, 'this run is over');
  run.control[action]();
  return headOf(run);
}

export const startFork = (house: House, run: OpenRun, body: unknown): Promise<Started> =>
  house.fork(run, valid(forkSchema, body, 'body'));
