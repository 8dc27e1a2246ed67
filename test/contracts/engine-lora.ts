/** The engine contract about adapters, beyond golden numbers (engine-lora-golden.ts): finite differences, merging, and B = 0. */
import { expect, it } from 'vitest';
import type { GradientTask, Weights } from '../../src/lm/engine.js';
import { type Adapter, adapterModules, factorsOf, freshAdapter, mergeLayer } from '../../src/lm/lora.js';
import type { LoraConfig, RngKey, TargetRow } from '../../src/protocol/lm.js';
import { keyOf, rngOf } from '../../src/rng.js';
import {
  GPT2,
  largest,
  randomSequence,
  randomWeights,
  SMALL,
  targetsIn,
  type Using,
} from './engine-models.js';

export const LORA: LoraConfig = { rank: 3, alpha: 6, dropout: 0, targets: [] };

/** An adapter that has been trained for a while: no B is zero. */
export function randomAdapter(weights: Weights, lora: LoraConfig, seed: number): Adapter {
  const data = freshAdapter(weights.architecture, lora, [seed, 1]);
  const rng = rngOf(keyOf(seed, 'adapter'));
  return { lora, data: data.map((x) => x + 0.05 * rng.normal()) };
}

function merged(weights: Weights, adapter: Adapter): Weights {
  const data = weights.data.slice();
  for (const layer of factorsOf(weights.architecture, adapter)) mergeLayer(layer, weights.data, data);
  return { ...weights, data };
}

function sftTask(seed: number, dropout: number): GradientTask {
  const rng = rngOf(keyOf(seed, 'rows'));
  const rows = Array.from({ length: 5 }, () => randomSequence(rng));
  const keys = rows.map((_, i): RngKey => [i, seed]);
  return { objective: 'sft', rows, keys, scale: targetsIn(rows), dropout };
}

function dpoTask(seed: number, dropout: number): GradientTask {
  const rng = rngOf(keyOf(seed, 'pairs'));
  const pairs = Array.from({ length: 3 }, () => {
    const { ids } = randomSequence(rng);
    const answer = (): TargetRow => ({
      ids: [...ids, 7, rng.below(50), rng.below(50)],
      targetStart: ids.length,
    });
    return { chosen: answer(), rejected: answer(), referenceChosen: -9, referenceRejected: -8.5 };
  });
  const keys = pairs.flatMap((_, i): RngKey[] => [
    [i, seed],
    [i, seed + 1],
  ]);
  return { objective: 'dpo', beta: 0.3, pairs, keys, scale: pairs.length, dropout };
}

const STEP = 5e-3;

/** How far the loss's finite difference along the adapter's gradient is from the gradient's length, relative. */
async function slopeError(using: Using, weights: Weights, adapter: Adapter, task: GradientTask) {
  const slope = new Float32Array(adapter.data.length);
  let error = Number.NaN;
  await using(weights, async (model) => {
    await model.gradient(task, slope, adapter);
    const norm = Math.sqrt(slope.reduce((sum, x) => sum + x * x, 0));
    const lossAt = async (step: number): Promise<number> => {
      const data = adapter.data.map((x, i) => x + (step * slope[i]!) / norm);
      const { loss } = await model.gradient(task, new Float32Array(slope.length), { ...adapter, data });
      return loss / task.scale;
    };
    error = Math.abs(((await lossAt(STEP)) - (await lossAt(-STEP))) / (2 * STEP) / norm - 1);
  });
  return error;
}

export function adapterLaws(using: Using): void {
  it.each([
    ['llama, all layers', SMALL, LORA],
    ['llama, dropout', SMALL, { ...LORA, dropout: 0.3 }],
    ['llama, q_proj, v_proj and down_proj', SMALL, { ...LORA, targets: ['q_proj', 'v_proj', 'down_proj'] }],
    ['qwen3, k_proj alone', { ...SMALL, family: 'qwen3' }, { ...LORA, targets: ['k_proj'] }],
    ['gpt2, dropout', GPT2, { ...LORA, dropout: 0.2 }],
  ] as const)(
    'adapters — %s: finite differences agree along the gradient, sft and dpo',
    async (_, architecture, lora) => {
      const weights = randomWeights(architecture, 31);
      const adapter = randomAdapter(weights, lora, 31);
      expect(await slopeError(using, weights, adapter, sftTask(31, 0.2))).toBeLessThan(5e-3);
      expect(await slopeError(using, weights, adapter, dpoTask(31, 0))).toBeLessThan(5e-3);
    },
  );

  it.each([
    ['llama', SMALL],
    ['gpt2', GPT2],
  ] as const)(
    'adapters — %s: the loss is that of the merged weights, and with B = 0 the base’s',
    async (_, architecture) => {
      const weights = randomWeights(architecture, 32);
      const adapter = randomAdapter(weights, LORA, 32);
      const fresh = { lora: LORA, data: freshAdapter(architecture, LORA, [32, 1]) };
      const into = new Float32Array(adapter.data.length);
      for (const task of [sftTask(32, 0), dpoTask(32, 0)]) {
        const lossOf = async (of: Weights) => {
          let loss = Number.NaN;
          await using(of, async (model) => {
            loss = (await model.gradient(task, new Float32Array(of.data.length))).loss;
          });
          return loss;
        };
        await using(weights, async (model) => {
          const adapted = (await model.gradient(task, into, adapter)).loss;
          expect(Math.abs(adapted - (await lossOf(merged(weights, adapter))))).toBeLessThan(1e-3);
          expect(Math.abs(adapted - (await lossOf(weights)))).toBeGreaterThan(1e-2);
          expect((await model.gradient(task, into, fresh)).loss).toBeCloseTo(await lossOf(weights), 5);
        });
      }
      expect(merged(weights, fresh).data).toEqual(weights.data);
    },
  );

  it('adapters — with B = 0 the gradient of A is 0 and that of B is not', async () => {
    const weights = randomWeights(SMALL, 33);
    const fresh = { lora: LORA, data: freshAdapter(SMALL, LORA, [33, 1]) };
    await using(weights, async (model) => {
      const into = new Float32Array(fresh.data.length).fill(5);
      await model.gradient(sftTask(33, 0), into, fresh);
      for (const { aOffset, bOffset, outSize } of adapterModules(SMALL, LORA)) {
        expect(largest(into.subarray(aOffset, bOffset))).toBe(0);
        expect(largest(into.subarray(bOffset, bOffset + outSize * LORA.rank))).toBeGreaterThan(0);
      }
    });
  });

  it('adapters — same input, same bits; other keys, another loss, if an adapter has dropout', async () => {
    const weights = randomWeights(SMALL, 34);
    const adapter = randomAdapter(weights, { ...LORA, dropout: 0.4 }, 34);
    await using(weights, async (model) => {
      const task = sftTask(34, 0);
      const once = async (of: GradientTask) => {
        const into = new Float32Array(adapter.data.length);
        return { ...(await model.gradient(of, into, adapter)), into };
      };
      expect(await once(task)).toEqual(await once(task));
      const other = { ...task, keys: task.keys.map(([a, b]): RngKey => [a, b + 9]) };
      expect((await once(other)).loss).not.toBe((await once(task)).loss);
    });
  });

  it('adapters — rows without a target give zeros; a block of another size is refused: model.failed', async () => {
    const weights = randomWeights(SMALL, 35);
    const adapter = randomAdapter(weights, LORA, 35);
    await using(weights, async (model) => {
      const into = new Float32Array(adapter.data.length).fill(1);
      const rows = [{ ids: [3], targetStart: 1 }];
      const task: GradientTask = { objective: 'sft', rows, keys: [], scale: 1, dropout: 0 };
      expect((await model.gradient(task, into, adapter)).loss).toBe(0);
      expect(largest(into)).toBe(0);
      const failed = expect.objectContaining({ code: 'model.failed' });
      await expect(model.gradient(task, new Float32Array(weights.data.length), adapter)).rejects.toEqual(
        failed,
      );
      await expect(model.gradient(task, into, { ...adapter, data: into.slice(1) })).rejects.toEqual(failed);
    });
  });
}
