/**
 * What a training trains: all weights of a version, or an adapter on its frozen ones. Says how large that is, where it starts,
 * which task gives its gradient, and what comes of it. Takes no step: that is trainer.ts.
 */
import { sizeOf } from '../lm/architecture.js';
import type { GradientTask } from '../lm/engine.js';
import { type Adapter, adapterModules, adapterSize, freshAdapter } from '../lm/lora.js';
import { sharedFloats } from '../lm/weights.js';
import type { LoraConfig, TrainSpec } from '../protocol/lm.js';
import type { Answers, ModelRef, Task } from './messages.js';

export interface SubjectPorts {
  /** Never given twice: names this training's weights in workers' caches. */
  readonly name: string;
  run<T extends Task>(task: T): Promise<Answers[T['kind']]>;
  retire(key: string): void;
}

/** The new version's weights; where an adapter made them, it too. */
export interface Made {
  readonly weights: SharedArrayBuffer;
  readonly weightsHash: string;
  readonly adapter?: Adapter;
}

export interface Subject {
  /** Of what is trained. */
  readonly floats: number;
  readonly start: SharedArrayBuffer;
  /** `steps`: how many have made `trained` out of the start. */
  gradient(
    trained: SharedArrayBuffer,
    steps: number,
    task: GradientTask,
    into: SharedArrayBuffer,
  ): Extract<Task, { readonly kind: 'gradient' }>;
  /** No task will ask for what stands after so many steps again. */
  retire(steps: number): void;
  made(trained: SharedArrayBuffer, steps: number): Promise<Made>;
}

const newBlock = (floats: number): SharedArrayBuffer => sharedFloats(floats).buffer as SharedArrayBuffer;

/** Merge tasks, at most. */
const MERGES = 4;

export const subjectOf = ({ lora, key }: TrainSpec, from: ModelRef, ports: SubjectPorts): Subject =>
  lora === undefined
    ? wholeModel(from, ports)
    : adapterOn(from, lora, freshAdapter(from.architecture, lora, key), ports);

function wholeModel(from: ModelRef, { name, run, retire }: SubjectPorts): Subject {
  const keyAfter = (steps: number): string => `${name}@${steps}`;
  const modelAfter = (data: SharedArrayBuffer, steps: number): ModelRef =>
    steps === 0 ? from : { key: keyAfter(steps), architecture: from.architecture, data };
  return {
    floats: sizeOf(from.architecture),
    start: from.data,
    gradient: (trained, steps, task, into) => ({
      kind: 'gradient',
      model: modelAfter(trained, steps),
      task,
      into,
    }),
    retire: (steps) => {
      if (steps > 0) retire(keyAfter(steps));
    },
    made: async (weights, steps) => ({
      weights,
      weightsHash: await run({ kind: 'hash', model: modelAfter(weights, steps) }),
    }),
  };
}

function adapterOn(
  from: ModelRef,
  lora: LoraConfig,
  fresh: Float32Array,
  { name, run }: SubjectPorts,
): Subject {
  const { architecture } = from;
  const floats = adapterSize(architecture, lora);
  const start = newBlock(floats);
  new Float32Array(start).set(fresh);
  return {
    floats,
    start,
    gradient: (data, _, task, into) => ({
      kind: 'gradient',
      model: from,
      adapter: { lora, data },
      task,
      into,
    }),
    retire: () => undefined,
    async made(data) {
      const weights = newBlock(sizeOf(architecture));
      new Float32Array(weights).set(new Float32Array(from.data));
      const count = adapterModules(architecture, lora).length;
      const size = Math.ceil(count / MERGES);
      const merges = Array.from({ length: Math.ceil(count / size) }, (_, i) =>
        run({
          kind: 'merge',
          model: from,
          adapter: { lora, data },
          into: weights,
          begin: i * size,
          end: Math.min(count, (i + 1) * size),
        }),
      );
      await Promise.all(merges);
      const model = { key: `${name}@merged`, architecture, data: weights };
      const weightsHash = await run({ kind: 'hash', model });
      return { weights, weightsHash, adapter: { lora, data: new Float32Array(data).slice() } };
    },
  };
}
