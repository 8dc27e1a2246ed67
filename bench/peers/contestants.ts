/**
 * This project and its peers behind one face, so that every measure asks all of them for the same. Each answer carries its own
 * wall time, taken where the work is done: around the port's calls here, inside Python there.
 */
import { z } from 'zod';
import type { SharedModel } from '../../src/pool/language-model.js';
import { resolveConfig } from '../../src/protocol/config.js';
import { type VersionId, versionId } from '../../src/protocol/ids.js';
import type { OptimizerConfig, SampleRow, TrainData } from '../../src/protocol/lm.js';
import { keyOf } from '../../src/rng.js';
import type { BenchModel } from '../sizes.js';
import {
  ADAMW,
  BETA,
  LEARNING_RATE,
  type Objective,
  type Rows,
  targetStartOf,
  trainingBatches,
} from '../workload.js';
import { PEERS, type PeerName, type Peers } from './process.js';

export interface Sampled {
  readonly rows: Rows;
  readonly seconds: number;
}

export interface Trained {
  readonly losses: readonly number[];
  /** Of each step but the first. */
  readonly seconds: readonly number[];
}

export interface How {
  readonly copies: number;
  readonly fresh: number;
  /** 0 = greedy. */
  readonly temperature: number;
  readonly topP: number;
}

export interface Contestant {
  readonly name: string;
  /** Each prompt `copies` times, exactly `fresh` tokens each; copies of one prompt stand side by side. */
  sample?(prompts: Rows, how: How): Promise<Sampled>;
  /** log p of each token but the first. */
  logprobs?(sequences: Rows): Promise<Rows>;
  train?(objective: Objective, steps: number): Promise<Trained>;
}

export const OURS = 'Soliloquy';

const product = resolveConfig();
const optimizerOf = (objective: Objective): OptimizerConfig => ({
  learningRate: LEARNING_RATE,
  finalLearningRate: LEARNING_RATE,
  warmupSteps: 0,
  microBatchSize: product[objective].microBatchSize,
  ...ADAMW,
});

function trainData(objective: Objective, steps: number, vocabulary: number): TrainData {
  const batches = trainingBatches(objective, steps, vocabulary);
  const row = (ids: readonly number[]) => ({ ids, targetStart: targetStartOf(objective) });
  if (objective === 'sft') return { objective, rows: (batches as readonly Rows[]).flat().map(row) };
  const pairs = (batches as readonly (readonly [Rows, Rows])[]).flatMap(([chosen, rejected]) =>
    chosen.map((ids, i) => ({ chosen: row(ids), rejected: row(rejected[i]!) })),
  );
  return { objective, beta: BETA, rows: pairs };
}

let calls = 0;

/** A batch is one call, as the product's are: the pool splits it among the workers. */
export function ourselves(model: SharedModel, version: VersionId, bench: BenchModel): Contestant {
  const { vocabSize } = bench.checkpoint.weights.architecture;
  return {
    name: OURS,
    async sample(prompts, { copies, fresh, temperature, topP }) {
      const call = calls++;
      const rows = prompts.map((promptIds, p) =>
        Array.from(
          { length: copies },
          (_, c): SampleRow => ({
            promptIds,
            key: keyOf(call, 'bench', p, c),
            sampling: { temperature, topP, maxNewTokens: fresh },
            stopIds: [],
          }),
        ),
      );
      const began = performance.now();
      const outputs = await model.sample(version, rows.flat());
      return {
        rows: outputs.map(({ ids }) => ids),
        seconds: (performance.now() - began) / 1000,
      };
    },
    logprobs: async (sequences) => (await model.score(version, sequences)).map((row) => [...row.subarray(1)]),
    async train(objective, steps) {
      const to = versionId(`bench-${calls++}`);
      const ends: number[] = [];
      const { curve } = await model.train(
        {
          from: version,
          to,
          data: trainData(objective, steps, vocabSize),
          optimizer: optimizerOf(objective),
          key: keyOf(1, 'bench'),
          order: 'given',
        },
        () => ends.push(performance.now()),
      );
      model.release(to);
      return {
        losses: curve.map(({ loss }) => loss),
        seconds: ends.slice(1).map((end, i) => (end - ends[i]!) / 1000),
      };
    },
  };
}

const rowsSchema = z.array(z.array(z.number()));
const sampledSchema = z.object({ rows: rowsSchema, seconds: z.number() });
const trainedSchema = z.object({ losses: z.array(z.number()), seconds: z.array(z.number()) });

/** Those peers that this machine has, over a model that was loaded under its size's name. */
export function peersOf(peers: Peers, bench: BenchModel): readonly Contestant[] {
  const model = bench.name;
  const { vocabSize } = bench.checkpoint.weights.architecture;
  const sampler = (by: PeerName): Contestant => ({
    name: PEERS[by].label,
    sample: (prompts, { copies, fresh, temperature, topP }) =>
      peers.call(
        'generate',
        { by, model, prompts, copies, new: fresh, temperature, top_p: topP },
        sampledSchema,
      ),
    logprobs: async (sequences) =>
      (await peers.call('logprobs', { by, model, sequences }, z.object({ rows: rowsSchema }))).rows,
  });
  const trainer = (by: PeerName): Contestant => ({
    name: PEERS[by].label,
    train: (objective, steps) =>
      peers.call(
        'train',
        {
          by,
          model,
          objective,
          batches: trainingBatches(objective, steps, vocabSize),
          start: targetStartOf(objective),
          lr: LEARNING_RATE,
          beta: BETA,
        },
        trainedSchema,
      ),
  });
  const made = { transformers: sampler, lean: sampler, eager: trainer, trl: trainer };
  return (Object.keys(made) as PeerName[]).filter(peers.has).map((by) => made[by](by));
}
