/**
 * The entry of a worker thread; runs as built JavaScript. One task at a time: validate, do, answer. Keeps one engine and a few
 * loaded models. It never rejects: a task that fails is an answer, a rejection means that the thread died.
 */
import { threadId } from 'node:worker_threads';
import { z } from 'zod';
import { adamW, reduceGradients } from '../lm/adamw.js';
import type { Engine } from '../lm/engine.js';
import { type Adapter, factorsOf, mergeLayer } from '../lm/lora.js';
import { weightsHash } from '../lm/weights.js';
import type { BackendChoice } from '../protocol/backends.js';
import { isSoliloquyError, reasonOf, SoliloquyError } from '../protocol/errors.js';
import { createEngine } from './engines.js';
import { createLoadedModels, type LoadedModels } from './loaded-models.js';
import {
  type AdapterRef,
  type Answers,
  type Envelope,
  envelopeSchema,
  type Reply,
  type Task,
} from './messages.js';

interface Bench {
  readonly engine: Engine;
  readonly models: LoadedModels;
}

const benches = new Map<BackendChoice, Promise<Bench>>();

function benchOf(backend: BackendChoice, interrupted: () => boolean): Promise<Bench> {
  const known = benches.get(backend);
  if (known) return known;
  const made = createEngine(backend, interrupted).then((engine) => {
    const bench = { engine, models: createLoadedModels(engine) };
    // Later tasks name the backend that `auto` found.
    benches.set(engine.backend, Promise.resolve(bench));
    return bench;
  });
  benches.set(backend, made);
  return made;
}

const floats = (block: SharedArrayBuffer): Float32Array => new Float32Array(block);
const stateOf = (blocks: {
  weights: SharedArrayBuffer;
  mean: SharedArrayBuffer;
  square: SharedArrayBuffer;
}) => ({
  weights: floats(blocks.weights),
  mean: floats(blocks.mean),
  square: floats(blocks.square),
});

const adapterOf = ({ lora, data }: AdapterRef): Adapter => ({ lora, data: floats(data) });

async function perform({ engine, models }: Bench, task: Task): Promise<Answers[keyof Answers]> {
  switch (task.kind) {
    case 'hello':
      return { backend: engine.backend };
    case 'sample':
      return (await models.get(task.model)).sample(task.rows);
    case 'score':
      return (await models.get(task.model)).score(task.sequences);
    case 'gradient':
      return (await models.get(task.model)).gradient(
        task.task,
        floats(task.into),
        task.adapter && adapterOf(task.adapter),
      );
    case 'reduce':
      return reduceGradients(task.parts.map(floats), floats(task.into), task.begin, task.end);
    case 'update':
      adamW(stateOf(task.from), floats(task.gradient), stateOf(task.into), task.config, task.begin, task.end);
      return null;
    case 'merge':
      for (const layer of factorsOf(task.model.architecture, adapterOf(task.adapter)).slice(
        task.begin,
        task.end,
      ))
        mergeLayer(layer, floats(task.model.data), floats(task.into));
      return null;
    case 'hash':
      return weightsHash({ architecture: task.model.architecture, data: floats(task.model.data) });
    default:
      return task satisfies never;
  }
}

/** Tests only. */
async function die(how: NonNullable<Envelope['fault']>): Promise<never> {
  if (how === 'exit') process.exit(7);
  setImmediate(() => {
    throw new Error('a fault on purpose');
  });
  return new Promise(() => undefined);
}

const jsonSafe = (fields: object): Record<string, unknown> =>
  JSON.parse(JSON.stringify(fields)) as Record<string, unknown>;

function failure(error: unknown): { code: string | null; message: string; fields: Record<string, unknown> } {
  if (isSoliloquyError(error))
    return { code: error.code, message: error.message, fields: jsonSafe(error.fields) };
  return {
    code: null,
    message: reasonOf(error),
    fields: error instanceof Error ? { stack: error.stack ?? '' } : {},
  };
}

export default async function work(message: unknown): Promise<Reply> {
  let bench: Bench | undefined;
  const held = () => ({
    thread: threadId,
    models: bench?.models.keys() ?? [],
    tensors: bench?.engine.liveTensors() ?? 0,
  });
  try {
    const parsed = envelopeSchema.safeParse(message);
    if (!parsed.success)
      throw new SoliloquyError('protocol.violation', `task refused: ${z.prettifyError(parsed.error)}`);
    const { backend, retired, stop, fault, task } = parsed.data;
    const flag = new Int32Array(stop);
    const stopped = () => Atomics.load(flag, 0) === 1;
    if (stopped()) throw new SoliloquyError('worker.failed', 'the model was closed', { closed: true });
    bench = await benchOf(backend, stopped);
    await bench.models.drop(retired);
    const value = await perform(bench, task);
    if (fault) await die(fault);
    return { ok: true, value, held: held() };
  } catch (error) {
    return { ok: false, error: failure(error), held: held() };
  }
}
