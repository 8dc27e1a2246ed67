/**
 * A training run over worker threads: PAPER.md "Training". Per step each micro-batch is one task that writes its gradient
 * into its own shared slot; slots are added in index order, clipped and applied by element-wise tasks over fixed shards.
 * So the new weights don't depend on the number of workers, nor on one dying: no task changes what another try of it reads.
 * DPO's reference log-probs are computed once, by the reference or, where none is named, by the weights it starts from. What is
 * trained, all weights or an adapter, is said in training-subject.ts; everything here is as large as that.
 */
import { clipScale } from '../lm/adamw.js';
import type { GradientSums, GradientTask } from '../lm/engine.js';
import { adapterFacts } from '../lm/lora.js';
import { type MicroBatch, type PlannedStep, planOf, sequencesOf } from '../lm/training-plan.js';
import { sharedFloats } from '../lm/weights.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { TrainKeeping, TrainOutcome, TrainSpec, TrainState, TrainStep } from '../protocol/lm.js';
import type { ModelRef } from './messages.js';
import { type Made, type Subject, type SubjectPorts, subjectOf } from './training-subject.js';

/** Floats of a reduce or update task, at least; and no more than so many tasks of a kind. */
const SHARD = 1 << 17;
const SHARDS = 4;

export interface TrainerPorts extends SubjectPorts {
  /** Log-probs of sequences under the weights of the reference. */
  score(sequences: readonly (readonly number[])[]): Promise<readonly Float32Array[]>;
}

interface Blocks {
  readonly weights: SharedArrayBuffer;
  readonly mean: SharedArrayBuffer;
  readonly square: SharedArrayBuffer;
}

interface Reference {
  readonly chosen: number;
  readonly rejected: number;
}

const newBlock = (floats: number): SharedArrayBuffer => sharedFloats(floats).buffer as SharedArrayBuffer;
const newBlocks = (floats: number): Blocks => ({
  weights: newBlock(floats),
  mean: newBlock(floats),
  square: newBlock(floats),
});

/** All results; the first failure only after every task has ended, so that none writes into a slot that is used again. */
async function settled<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(tasks);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** DPO: summed log-probs of the targets, by row. */
async function referencesOf(
  { data }: TrainSpec,
  score: TrainerPorts['score'],
): Promise<readonly Reference[]> {
  if (data.objective === 'sft') return [];
  const sequences = sequencesOf(data).flat();
  const scored = await score(sequences.map(({ ids }) => ids));
  const sums = scored.map((row, i) => row.subarray(sequences[i]!.targetStart).reduce((a, b) => a + b, 0));
  return data.rows.map((_, i) => ({ chosen: sums[2 * i]!, rejected: sums[2 * i + 1]! }));
}

function gradientTask(
  spec: TrainSpec,
  step: PlannedStep,
  micro: MicroBatch,
  references: readonly Reference[],
): GradientTask {
  const base = { scale: step.scale, dropout: spec.optimizer.dropout, keys: micro.keys };
  const { data } = spec;
  if (data.objective === 'sft')
    return { ...base, objective: 'sft', rows: micro.rows.map((row) => data.rows[row]!) };
  const pairs = micro.rows.map((row) => ({
    ...data.rows[row]!,
    referenceChosen: references[row]!.chosen,
    referenceRejected: references[row]!.rejected,
  }));
  const { beta, recipe } = data;
  return { ...base, objective: 'dpo', beta, ...(recipe && { recipe }), pairs };
}

function* shardsOf(floats: number): Generator<{ readonly begin: number; readonly end: number }> {
  const size = Math.max(SHARD, Math.ceil(floats / SHARDS));
  for (let begin = 0; begin < floats; begin += size) yield { begin, end: Math.min(floats, begin + size) };
}

export interface Trained extends Omit<Made, 'weightsHash'> {
  readonly outcome: TrainOutcome;
}

export async function trainVersion(
  spec: TrainSpec,
  from: ModelRef,
  ports: TrainerPorts,
  onStep: (step: TrainStep) => void,
  keeping?: TrainKeeping,
): Promise<Trained> {
  const plan = planOf(spec);
  const references = await referencesOf(spec, ports.score);
  const subject = subjectOf(spec, from, ports);
  const bench = createBench(spec, subject, plan, ports);
  const begun = (await keeping?.load()) ?? null;
  const curve: TrainStep[] = [...(begun?.curve ?? [])];
  let trained = begun ? bench.restore(begun) : subject.start;
  try {
    for (const step of plan.slice(curve.length)) {
      const tasks = step.microBatches.map((micro) => gradientTask(spec, step, micro, references));
      const { sums, weights, gradNorm } = await bench.step(step, trained, tasks);
      subject.retire(step.step);
      trained = weights;
      const said = told(spec, step, plan.length, sums, gradNorm);
      curve.push(said);
      onStep(said);
      const due = keeping !== undefined && keeping.every > 0 && curve.length % keeping.every === 0;
      if (due && curve.length < plan.length) await keeping.save(bench.state(curve));
    }
    const { weightsHash, ...made } = await subject.made(trained, plan.length);
    const facts = spec.lora && { adapter: adapterFacts(from.architecture, spec.lora) };
    return { outcome: { steps: plan.length, curve, weightsHash, ...facts }, ...made };
  } finally {
    subject.retire(curve.length);
  }
}

function told(
  spec: TrainSpec,
  step: PlannedStep,
  steps: number,
  sums: readonly GradientSums[],
  gradNorm: number,
): TrainStep {
  const total = (field: keyof GradientSums) => sums.reduce((sum, s) => sum + s[field], 0) / step.scale;
  const said = { step: step.step + 1, steps, learningRate: step.learningRate, loss: total('loss'), gradNorm };
  return spec.data.objective === 'sft'
    ? said
    : { ...said, accuracy: total('positive'), margin: total('margin') };
}

/** Slots, running means and two sets of weights that take turns; all freed with it. */
function createBench(spec: TrainSpec, subject: Subject, plan: readonly PlannedStep[], { run }: TrainerPorts) {
  const { optimizer } = spec;
  const { floats } = subject;
  const shards = [...shardsOf(floats)];
  const slots = Array.from({ length: Math.max(...plan.map((s) => s.microBatches.length)) }, () =>
    newBlock(floats),
  );
  const gradient = newBlock(floats);
  const turns = [newBlocks(floats), newBlocks(floats)] as const;
  /** The running means start as the zeros of the set that is written second. */
  const writtenBy = (step: number) => turns[step % 2 === 0 ? 0 : 1];
  return {
    /** After the last step of `curve`. */
    state(curve: readonly TrainStep[]): TrainState {
      const { weights, mean, square } = writtenBy(curve.length - 1);
      const floats = (block: SharedArrayBuffer) => new Float32Array(block);
      return { curve, weights: floats(weights), mean: floats(mean), square: floats(square) };
    },
    /** As if the steps had been taken here; gives the weights. */
    restore({ curve, weights, mean, square }: TrainState): SharedArrayBuffer {
      const into = writtenBy(curve.length - 1);
      new Float32Array(into.weights).set(weights);
      new Float32Array(into.mean).set(mean);
      new Float32Array(into.square).set(square);
      return into.weights;
    },
    async step(step: PlannedStep, trained: SharedArrayBuffer, tasks: readonly GradientTask[]) {
      const parts = slots.slice(0, tasks.length);
      const sums = await settled(
        tasks.map((task, i) => run(subject.gradient(trained, step.step, task, parts[i]!))),
      );
      const squares = await settled(
        shards.map((range) => run({ kind: 'reduce', parts, into: gradient, ...range })),
      );
      const gradNorm = Math.sqrt(squares.reduce((a, b) => a + b, 0));
      if (!Number.isFinite(gradNorm))
        throw new SoliloquyError('model.failed', `the gradient of step ${step.step + 1} is not finite`, {
          step: step.step + 1,
          fix: 'Lower the learning rate, or turn on clipping.',
        });
      const into = writtenBy(step.step);
      const past = writtenBy(step.step + 1);
      const { learningRate } = step;
      const { beta1, beta2, epsilon, weightDecay } = optimizer;
      const gradientScale = clipScale(gradNorm, optimizer.clipNorm);
      const config = { learningRate, beta1, beta2, epsilon, weightDecay, step: step.step + 1, gradientScale };
      const state = { ...past, weights: trained };
      await settled(
        shards.map((range) => run({ kind: 'update', from: state, gradient, into, config, ...range })),
      );
      return { sums, gradNorm, weights: into.weights };
    },
  };
}
