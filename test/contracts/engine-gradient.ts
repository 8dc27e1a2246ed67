/** The engine contract about gradients, beyond golden numbers. */
import { expect, it } from 'vitest';
import type { GradientTask, Weights } from '../../src/lm/engine.js';
import type { PairRecipe, RngKey } from '../../src/protocol/lm.js';
import { keyOf, rngOf } from '../../src/rng.js';
import {
  GPT2,
  largest,
  randomSequence,
  randomWeights,
  relativeError,
  SMALL,
  targetsIn,
  type Using,
} from './engine-models.js';

const STEP = 3e-3;

/** How far the loss's finite difference along the gradient is from the gradient's length, relative. */
async function slopeError(using: Using, weights: Weights, task: GradientTask): Promise<number> {
  const slope = new Float32Array(weights.data.length);
  await using(weights, async (model) => void (await model.gradient(task, slope)));
  const norm = Math.sqrt(slope.reduce((sum, x) => sum + x * x, 0));
  const lossAt = async (step: number): Promise<number> => {
    const moved = { ...weights, data: weights.data.map((x, i) => x + (step * slope[i]!) / norm) };
    let loss = Number.NaN;
    await using(moved, async (model) => {
      loss = (await model.gradient(task, new Float32Array(slope.length))).loss / task.scale;
    });
    return loss;
  };
  const measured = ((await lossAt(STEP)) - (await lossAt(-STEP))) / (2 * STEP);
  return Math.abs(measured / norm - 1);
}

export function gradientLaws(using: Using): void {
  it.each([
    ['llama', SMALL],
    ['qwen3', { ...SMALL, family: 'qwen3' }],
    ['gpt2', GPT2],
  ] as const)(
    'gradient — %s: finite differences agree along the gradient, with dropout on',
    async (_, architecture) => {
      const weights = randomWeights(architecture, 11);
      const rng = rngOf(keyOf(11, 'rows'));
      const rows = Array.from({ length: 6 }, () => randomSequence(rng));
      const keys = rows.map((_, i): RngKey => [i, 11]);
      const task: GradientTask = { objective: 'sft', rows, keys, scale: targetsIn(rows), dropout: 0.3 };
      expect(await slopeError(using, weights, task)).toBeLessThan(5e-3);
    },
  );

  it.each<PairRecipe>([
    { loss: 'ipo', nll: 0, agreement: 1 },
    { loss: 'sigmoid', nll: 1, agreement: 0.6 },
  ])('gradient — finite differences agree along the gradient of pairs by the recipe %j', async (recipe) => {
    const weights = randomWeights(SMALL, 17);
    const rng = rngOf(keyOf(17, 'rows'));
    const pairs = Array.from({ length: 3 }, () => ({
      chosen: randomSequence(rng),
      rejected: randomSequence(rng),
      referenceChosen: -20 - rng.uniform(),
      referenceRejected: -20 - rng.uniform(),
    }));
    const keys = pairs.flatMap((_, i): RngKey[] => [
      [i, 17],
      [i, 18],
    ]);
    const task: GradientTask = { objective: 'dpo', beta: 0.1, recipe, pairs, keys, scale: 3, dropout: 0.2 };
    expect(await slopeError(using, weights, task)).toBeLessThan(5e-3);
  });

  it('gradient — the recipe of plain DPO gives the numbers of plain DPO', async () => {
    const weights = randomWeights(SMALL, 18);
    const rng = rngOf(keyOf(18, 'rows'));
    const pairs = Array.from({ length: 3 }, () => ({
      chosen: randomSequence(rng),
      rejected: randomSequence(rng),
      referenceChosen: -20,
      referenceRejected: -21,
    }));
    const task = { objective: 'dpo', beta: 0.1, pairs, keys: [], scale: 3, dropout: 0 } as const;
    await using(weights, async (model) => {
      const [plain, recipe] = [new Float32Array(weights.data.length), new Float32Array(weights.data.length)];
      const { loss } = await model.gradient(task, plain);
      const same = { loss: 'sigmoid', nll: 0, agreement: 1 } as const;
      expect(Math.abs((await model.gradient({ ...task, recipe: same }, recipe)).loss - loss)).toBeLessThan(
        1e-5,
      );
      expect(relativeError(recipe, plain)).toBeLessThan(1e-6);
    });
  });

  it('gradient — a batch’s is the sum of its micro-batches’, dropout masks included', async () => {
    const weights = randomWeights(SMALL, 12);
    const rng = rngOf(keyOf(12, 'rows'));
    const rows = Array.from({ length: 5 }, () => randomSequence(rng));
    const keys = rows.map((_, i): RngKey => [i, 12]);
    await using(weights, async (model) => {
      const of = async (from: number, to: number) => {
        const into = new Float32Array(weights.data.length);
        const micro = { rows: rows.slice(from, to), keys: keys.slice(from, to) };
        const { loss } = await model.gradient({ objective: 'sft', ...micro, scale: 10, dropout: 0.3 }, into);
        return { loss, into };
      };
      const whole = await of(0, 5);
      const parts = [await of(0, 2), await of(2, 3), await of(3, 5)];
      const sum = whole.into.map((_, i) => parts.reduce((total, p) => total + p.into[i]!, 0));
      expect(relativeError(sum, whole.into)).toBeLessThan(1e-5);
      expect(Math.abs(parts.reduce((total, p) => total + p.loss, 0) - whole.loss)).toBeLessThan(1e-4);
    });
  });

  it('gradient — dropout 0 heeds no key, dropout above 0 changes the loss with the key', async () => {
    const weights = randomWeights(SMALL, 13);
    await using(weights, async (model) => {
      const loss = async (dropout: number, key: RngKey) => {
        const rows = [{ ids: [3, 4, 5, 6, 7], targetStart: 1 }];
        const task: GradientTask = { objective: 'sft', rows, keys: [key], scale: 1, dropout };
        return (await model.gradient(task, new Float32Array(weights.data.length))).loss;
      };
      expect(await loss(0, [1, 1])).toBe(await loss(0, [2, 2]));
      expect(await loss(0.2, [1, 1])).not.toBe(await loss(0, [1, 1]));
      expect(await loss(0.2, [1, 1])).not.toBe(await loss(0.2, [2, 2]));
    });
  });

  it('gradient — rows without a target give zeros', async () => {
    const weights = randomWeights(SMALL, 14);
    await using(weights, async (model) => {
      const into = new Float32Array(weights.data.length).fill(1);
      const rows = [
        { ids: [3], targetStart: 1 },
        { ids: [3, 4], targetStart: 2 },
      ];
      const task: GradientTask = { objective: 'sft', rows, keys: [], scale: 1, dropout: 0 };
      expect((await model.gradient(task, into)).loss).toBe(0);
      expect(largest(into)).toBe(0);
    });
  });

  it('gradient — dpo at the reference: loss log 2 a pair, no positive margin; a worse reference for chosen: positive', async () => {
    const weights = randomWeights(SMALL, 15);
    await using(weights, async (model) => {
      const chosen = { ids: [3, 4, 5, 6], targetStart: 2 };
      const rejected = { ids: [3, 4, 8], targetStart: 2 };
      const scored = await model.score([chosen.ids, rejected.ids]);
      const [c, r] = scored.map((line) => line.subarray(2).reduce((a, b) => a + b, 0));
      const at = (shift: number) => {
        const pairs = [{ chosen, rejected, referenceChosen: c! - shift, referenceRejected: r! }];
        return model.gradient(
          { objective: 'dpo', beta: 0.5, pairs, keys: [], scale: 1, dropout: 0 },
          new Float32Array(weights.data.length),
        );
      };
      expect(Math.abs((await at(0)).loss - Math.LN2)).toBeLessThan(1e-5);
      expect(await at(2)).toMatchObject({ positive: 1, margin: expect.closeTo(1, 4) });
      expect(await at(-2)).toMatchObject({ positive: 0, margin: expect.closeTo(-1, 4) });
    });
  });
}
