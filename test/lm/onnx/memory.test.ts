/** Nothing of a version outlives it: memory is flat over many of them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { GradientTask } from '../../../src/lm/engine.js';
import { createOnnxEngine } from '../../../src/lm/onnx/engine.js';
import type { SampleRow } from '../../../src/protocol/lm.js';
import { keyOf, rngOf } from '../../../src/rng.js';
import { randomRow, randomSequence, randomWeights, SMALL, targetsIn } from '../../contracts/engine-models.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** 1.2 million parameters: 4.7 MB a version and as much for its packed copy, so that one lost is seen. */
const WIDE = { ...SMALL, vocabSize: 512, hiddenSize: 160, intermediateSize: 448, headDim: 40 };
const LOST = 4; // MB a version, of the 9 that it takes and the activations of its work

async function settledMegabytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  return process.memoryUsage().rss / 2 ** 20;
}

it('eighty versions — loaded, sampled, scored, trained, disposed: no tensor is left, and memory does not grow', async () => {
  const engine = await createOnnxEngine();
  const rng = rngOf(keyOf(31, 'memory'));
  const prompt = Array.from({ length: 30 }, () => rng.below(SMALL.vocabSize));
  const weights = randomWeights(WIDE, 31);
  const into = new Float32Array(weights.data.length);
  const sizes: number[] = [];
  for (let version = 1; version <= 80; version++) {
    const model = await engine.load({ ...weights, data: weights.data.map((x) => x * (1 + version / 1000)) });
    expect(engine.liveTensors()).toBe(1);
    const rows = Array.from({ length: 24 }, (): SampleRow => randomRow(rng, [prompt, prompt.slice(0, 20)]));
    const sequences = Array.from({ length: 8 }, () => randomSequence(rng));
    await model.sample(rows);
    await model.score(sequences.map(({ ids }) => ids));
    const common = { scale: targetsIn(sequences), keys: sequences.map((_, i) => [i, version] as const) };
    for (const dropout of [0, 0.1]) {
      const sft: GradientTask = { ...common, objective: 'sft', rows: sequences, dropout };
      await model.gradient(sft, into);
      const pairs = [0, 2, 4, 6].map((i) => {
        const [chosen, rejected] = [sequences[i]!, sequences[i + 1]!];
        return { chosen, rejected, referenceChosen: -9, referenceRejected: -9 };
      });
      await model.gradient({ ...common, objective: 'dpo', beta: 0.1, pairs, dropout }, into);
    }
    await model.dispose();
    expect(engine.liveTensors()).toBe(0);
    sizes.push(await settledMegabytes());
  }
  // The last ten against the fifth ten: pools have filled (they still grow in the third), caches are warm.
  const mean = (part: readonly number[]) => part.reduce((a, b) => a + b, 0) / part.length;
  const grown = mean(sizes.slice(70)) - mean(sizes.slice(40, 50));
  expect(grown, `RSS in MB: ${sizes.map(Math.round)}`).toBeLessThan(30 * LOST * 0.25);
});

it('architectures that come and go leave no session behind', async () => {
  const engine = await createOnnxEngine();
  const sizes: number[] = [];
  for (let round = 0; round < 30; round++) {
    // A new architecture every time: the cache of sessions holds two.
    const model = await engine.load(randomWeights({ ...WIDE, vocabSize: 480 + round }, 32));
    await model.score([[1, 2, 3, 4]]);
    await model.sample([
      {
        promptIds: [1, 2],
        key: [1, 2],
        sampling: { temperature: 1, topP: 0.9, maxNewTokens: 3 },
        stopIds: [],
      },
    ]);
    await model.dispose();
    sizes.push(await settledMegabytes());
  }
  expect(engine.liveTensors()).toBe(0);
  expect(sizes.at(-1)! - sizes[9]!, `RSS in MB: ${sizes.map(Math.round)}`).toBeLessThan(20);
});

it('a model outlives the sessions of its architecture: it opens them anew', async () => {
  const engine = await createOnnxEngine();
  const weights = randomWeights(SMALL, 33);
  const model = await engine.load(weights);
  const before = await model.score([[1, 2, 3, 4, 5]]);
  for (const maxPositions of [70, 80, 90]) {
    const other = await engine.load(randomWeights({ ...SMALL, maxPositions }, 34));
    await other.score([[1, 2, 3]]);
    await other.dispose();
  }
  expect(await model.score([[1, 2, 3, 4, 5]])).toEqual(before);
  await model.dispose();
  expect(engine.liveTensors()).toBe(0);
});
