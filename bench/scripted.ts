/**
 * A model that says what a script says, in no time: the port of the real one, for logs of a million messages and for tests of
 * everything but the numbers. What it samples depends on prompt, key and version alone; what it trains is a small random change.
 * It can fail calls, and fail to write readable judgements.
 */
import { weightsHash } from '../src/lm/weights.js';
import type { SharedModel } from '../src/pool/language-model.js';
import { createVersions } from '../src/pool/versions.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type {
  SampleOutput,
  SampleRow,
  TrainKeeping,
  TrainOutcome,
  TrainSpec,
  TrainStep,
} from '../src/protocol/lm.js';
import type { Tokenizer } from '../src/protocol/ports.js';
import { keyOf, type Rng, rngOf } from '../src/rng.js';

export interface Script {
  /** Which `sample` calls fail, counted from 1. */
  readonly fails?: (call: number) => boolean;
  /** Share of the judgements that can't be read. */
  readonly babble?: number;
  readonly steps?: number;
}

const WORDS = ['cat', 'dog', 'cow', 'pig', 'owl', 'bee', 'one', 'two', 'six', 'ten', 'sure', 'blah'];
const SCORES = ['zero', 'one', 'two', 'three', 'four', 'five'];
const ASKS = ['add', 'sort :', 'first word of :', 'largest of :', 'reverse the words :'];

/** By how the prompt ends: a judge's, a chat's, or few shots. */
function textFor(prompt: string, rng: Rng, babble: number): string {
  const some = (most: number) => Array.from({ length: 1 + rng.below(most) }, () => rng.pick(WORDS)).join(' ');
  if (prompt.endsWith('<eval>'))
    return rng.chance(babble) ? some(4) : `answer ${some(2)} relevant yes score : ${rng.pick(SCORES)}`;
  if (prompt.endsWith('<asst>')) return rng.chance(0.05) ? '' : some(5);
  return rng.chance(0.02) ? '' : `${rng.pick(ASKS)} ${some(6)}`;
}

/** Another for each version, the same wherever a token stands. */
const scriptedLogprob = (version: VersionId) => (id: number) =>
  -(id + rngOf(keyOf(id, 'script logprob', version)).below(100)) / 1000;

export async function createScriptedModel(script: Script = {}): Promise<SharedModel> {
  const { fails = () => false, babble = 0.05, steps = 6 } = script;
  const versions = createVersions({ onRelease: () => undefined });
  let calls = 0;
  let closed = false;
  const sampled = (
    tokenizer: Tokenizer,
    version: VersionId,
    { promptIds, key, sampling }: SampleRow,
  ): SampleOutput => {
    const rng = rngOf(keyOf(key[0], 'script', key[1], version));
    const ids = tokenizer
      .encode(textFor(tokenizer.decode(promptIds), rng, babble))
      .slice(0, sampling.maxNewTokens);
    return {
      ids,
      logprob: -rng.uniform() * ids.length,
      finish: ids.length < sampling.maxNewTokens ? 'stop' : 'length',
    };
  };
  return {
    backend: 'onnx',
    workers: 1,
    async sample(version, rows) {
      if (fails(++calls)) throw new SoliloquyError('model.failed', 'the script says so');
      const tokenizer = versions.tokenizer(version);
      return rows.map((row) => sampled(tokenizer, version, row));
    },
    score: async (version, sequences) =>
      sequences.map((ids) => Float32Array.from(ids, scriptedLogprob(version))),
    train: (spec, onStep, keeping) => train(spec, steps, onStep, keeping),
    register: versions.register,
    has: versions.has,
    settle: versions.settle,
    architecture: versions.architecture,
    checkpoint: versions.checkpoint,
    tokenizer: versions.tokenizer,
    contextLength: (version) => versions.architecture(version).maxPositions,
    release: versions.release,
    versions: versions.names,
    held: () => [],
    threadIds: () => [],
    kill: async () => undefined,
    async close() {
      closed = true;
    },
  };

  async function train(
    spec: TrainSpec,
    steps: number,
    onStep: (step: TrainStep) => void = () => undefined,
    keeping?: TrainKeeping,
  ): Promise<TrainOutcome> {
    const from = await versions.checkpoint(spec.from);
    const { architecture } = from.weights;
    const kept = (await keeping?.load()) ?? null;
    const weights = Float32Array.from(kept?.weights ?? from.weights.data);
    const zeros = new Float32Array(weights.length);
    const curve = [...(kept?.curve ?? [])];
    const { length } = spec.data.rows;
    for (let step = curve.length; step < steps; step++) {
      // On data too, so that other rows give other weights.
      const rng = rngOf(
        keyOf(spec.key[0], 'script step', step, length, JSON.stringify(spec.data.rows[step % length])),
      );
      for (let i = 0; i < 16; i++) weights[rng.below(weights.length)]! += rng.normal() / 100;
      const said = { step: step + 1, steps, learningRate: 0.1, loss: rng.uniform(), gradNorm: 1 };
      curve.push(said);
      onStep(said);
      await new Promise((resolve) => setImmediate(resolve));
      // As the real one's workers: what trains is gone with it, and writes no file into a folder that another run goes on in.
      if (closed) throw new SoliloquyError('model.failed', 'the model is closed');
      if (keeping && keeping.every > 0 && curve.length % keeping.every === 0 && curve.length < steps)
        await keeping.save({ curve, weights, mean: zeros, square: zeros });
    }
    const made = { architecture, data: weights };
    versions.register(spec.to, { ...from, weights: made });
    return { steps, curve, weightsHash: weightsHash(made) };
  }
}
