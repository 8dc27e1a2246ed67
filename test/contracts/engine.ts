/**
 * What every engine must do (src/lm/engine.ts). Run over each implementation; its parts: engine-golden.ts (torch +
 * transformers), engine-gradient.ts, engine-lora.ts, and here batches, keys, bits and refusals.
 */
import { describe, expect, it } from 'vitest';
import type { Engine, GradientTask } from '../../src/lm/engine.js';
import type { RngKey, SampleOutput, SampleRow } from '../../src/protocol/lm.js';
import { keyOf, rngOf } from '../../src/rng.js';
import { goldenGradients, goldenNumbers, goldenRecipes } from './engine-golden.js';
import { gradientLaws } from './engine-gradient.js';
import { adapterLaws } from './engine-lora.js';
import { goldenAdapters } from './engine-lora-golden.js';
import { randomRow, randomSequence, randomWeights, SMALL, tokens, usingEngine } from './engine-models.js';

export interface EngineUnderTest {
  readonly name: string;
  readonly make: () => Promise<Engine>;
  /** Whether a row's numbers keep every bit when its neighbours change; else 1e-4. Nothing may rely on it. */
  readonly exact: boolean;
}

export function engineContract({ name, make, exact }: EngineUnderTest): void {
  const using = usingEngine(make);
  const same = (a: number, b: number): void => {
    if (exact) expect(a).toBe(b);
    else expect(Math.abs(a - b)).toBeLessThan(1e-4);
  };
  const sameOutput = (a: SampleOutput, b: SampleOutput): void => {
    expect(a.ids).toEqual(b.ids);
    expect(a.finish).toBe(b.finish);
    same(a.logprob, b.logprob);
  };

  describe(`engine ${name}`, () => {
    goldenNumbers(using);
    goldenGradients(using);
    goldenRecipes(using);
    gradientLaws(using);
    goldenAdapters(using);
    adapterLaws(using);

    it('score — a sequence’s numbers do not depend on the sequences beside it', () =>
      using(randomWeights(SMALL, 1), async (model) => {
        const rng = rngOf(keyOf(1, 'score'));
        const sequences = Array.from({ length: 24 }, () => tokens(rng, 1 + rng.below(40)));
        const alone: Float32Array[] = [];
        for (const ids of sequences) alone.push((await model.score([ids]))[0]!);
        for (let round = 0; round < 6; round++) {
          const picked = rng.take([...sequences.keys()], 1 + rng.below(24));
          const together = await model.score(picked.map((i) => sequences[i]!));
          picked.forEach((i, at) => {
            for (let t = 1; t < alone[i]!.length; t++) same(together[at]![t]!, alone[i]![t]!);
          });
        }
      }));

    it('sample — a row’s tokens and log-prob do not depend on the rows beside it', () =>
      using(randomWeights(SMALL, 2), async (model) => {
        const rng = rngOf(keyOf(2, 'sample'));
        const prompts = Array.from({ length: 4 }, () => tokens(rng, 1 + rng.below(20)));
        const rows = Array.from({ length: 32 }, () => randomRow(rng, prompts));
        const alone: SampleOutput[] = [];
        for (const row of rows) alone.push((await model.sample([row]))[0]!);
        expect(new Set(alone.map((out) => out.finish))).toEqual(new Set(['stop', 'length']));
        for (let round = 0; round < 8; round++) {
          const picked = rng.take([...rows.keys()], 1 + rng.below(32));
          const together = await model.sample(picked.map((i) => rows[i]!));
          picked.forEach((i, at) => {
            sameOutput(together[at]!, alone[i]!);
          });
        }
      }));

    it('sample — the log-prob is that of score over the new tokens and the stop token', () =>
      using(randomWeights(SMALL, 3), async (model) => {
        const rng = rngOf(keyOf(3, 'sample'));
        const rows = Array.from({ length: 16 }, () => randomRow(rng, [[1, 2, 3]]));
        for (const [i, { ids, finish, logprob }] of (await model.sample(rows)).entries()) {
          const { promptIds, stopIds } = rows[i]!;
          expect(ids.some((id) => stopIds.includes(id))).toBe(false);
          const endings = finish === 'stop' ? stopIds.map((id) => [id]) : [[]];
          const lines = await model.score(endings.map((end) => [...promptIds, ...ids, ...end]));
          const sums = lines.map((line) => line.subarray(promptIds.length).reduce((a, b) => a + b, 0));
          expect(Math.min(...sums.map((sum) => Math.abs(sum - logprob)))).toBeLessThan(2e-4);
        }
      }));

    it('sample — ends at maxNewTokens, at the last position, and at once where nothing may be added', () =>
      using(randomWeights(SMALL, 4), async (model) => {
        const row = (length: number, maxNewTokens: number): SampleRow => ({
          promptIds: Array.from({ length }, (_, i) => i % SMALL.vocabSize),
          key: [1, 2],
          sampling: { temperature: 1, topP: 1, maxNewTokens },
          stopIds: [],
        });
        const out = await model.sample([row(3, 5), row(60, 100), row(64, 5), row(4, 0)]);
        expect(out.map((o) => o.ids.length)).toEqual([5, 4, 0, 0]);
        expect(out.every((o) => o.finish === 'length')).toBe(true);
        expect(out[2]!.logprob).toBe(0);
        expect(await model.sample([])).toEqual([]);
      }));

    it('sample — another key gives other tokens, temperature 0 heeds no key', () =>
      using(randomWeights(SMALL, 5), async (model) => {
        const at = async (temperature: number, key: RngKey): Promise<string> => {
          const sampling = { temperature, topP: 1, maxNewTokens: 12 };
          return (await model.sample([{ promptIds: [7, 8], key, sampling, stopIds: [] }]))[0]!.ids.join();
        };
        expect(await at(1, [1, 0])).not.toBe(await at(1, [2, 0]));
        expect(await at(0, [1, 0])).toBe(await at(0, [2, 0]));
      }));

    it('same input, same bits — score, sample and gradient with dropout', () =>
      using(randomWeights(SMALL, 6), async (model) => {
        const rng = rngOf(keyOf(6, 'bits'));
        const rows = Array.from({ length: 6 }, () => randomRow(rng, [[9, 8, 7]]));
        const task: GradientTask = {
          objective: 'sft',
          rows: Array.from({ length: 5 }, () => randomSequence(rng)),
          scale: 17,
          dropout: 0.2,
          keys: Array.from({ length: 5 }, (_, i): RngKey => [i, 6]),
        };
        const once = async () => {
          const into = new Float32Array(randomWeights(SMALL, 6).data.length).fill(9);
          const sums = await model.gradient(task, into);
          const out = await model.sample(rows);
          return { out, lines: await model.score(rows.map((r) => r.promptIds)), sums, into };
        };
        expect(await once()).toEqual(await once());
      }));

    it('refuses tokens outside the vocabulary, an empty prompt, too many positions: model.failed', () =>
      using(randomWeights(SMALL, 7), async (model) => {
        const failed = expect.objectContaining({ code: 'model.failed' });
        const sampling = { temperature: 1, topP: 1, maxNewTokens: 2 };
        await expect(model.score([[1, SMALL.vocabSize]])).rejects.toEqual(failed);
        await expect(model.score([[1, -1]])).rejects.toEqual(failed);
        await expect(model.score([new Array<number>(65).fill(1)])).rejects.toEqual(failed);
        await expect(model.sample([{ promptIds: [], key: [0, 0], sampling, stopIds: [] }])).rejects.toEqual(
          failed,
        );
      }));

    it('score — nothing precedes the first token: NaN; an empty sequence has no numbers', () =>
      using(randomWeights(SMALL, 8), async (model) => {
        expect(await model.score([])).toEqual([]);
        const [empty, one, two] = await model.score([[], [5], [5, 6]]);
        expect(empty!.length).toBe(0);
        expect([...one!]).toEqual([Number.NaN]);
        expect(two![0]).toBeNaN();
        expect(two![1]).toBeLessThan(0);
      }));
  });
}
