/**
 * What every engine must do (src/lm/engine.ts). Run over each implementation; golden numbers are those of torch +
 * transformers (test/fixtures/llama, test/fixtures/steps, golden-gradients/make.py).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Architecture, type Parameter, parametersOf } from '../../src/lm/architecture.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import type { Engine, GradientTask, LoadedModel, SequenceRow, Weights } from '../../src/lm/engine.js';
import type { RngKey, SampleOutput, SampleRow } from '../../src/protocol/lm.js';
import { keyOf, type Rng, rngOf } from '../../src/rng.js';

export interface EngineUnderTest {
  readonly name: string;
  readonly make: () => Promise<Engine>;
  /** Whether a row's numbers must keep every bit when its neighbours change; else 1e-4. */
  readonly exact: boolean;
}

const HERE = dirname(fileURLToPath(import.meta.url));
const FIXTURES = join(HERE, '..', 'fixtures');
const STORIES = join(HERE, '..', '..', '..', 'shared', 'data', 'stories260K', 'derived');
const CHECKPOINTS = readdirSync(join(FIXTURES, 'llama'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(FIXTURES, 'llama', entry.name, 'golden.json')))
  .map((entry) => entry.name);

interface Golden {
  readonly sequences: readonly (readonly number[])[];
  readonly logprobs: readonly (readonly (number | null)[])[];
  readonly greedy: readonly { readonly prompt: readonly number[]; readonly ids: readonly number[] }[];
}
interface GoldenGradient {
  readonly model: string;
  readonly objective: 'sft' | 'dpo';
  readonly loss: number;
  readonly reference: readonly (readonly [number, number])[];
  readonly gradients: Readonly<Record<string, string>>;
}
interface Steps {
  readonly beta: number;
  readonly data: {
    readonly sft: readonly SequenceRow[];
    readonly dpo: readonly { readonly chosen: SequenceRow; readonly rejected: SequenceRow }[];
  };
}

const json = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T;
const checkpoint = async (name: string): Promise<Weights> =>
  (await readCheckpoint(join(FIXTURES, 'llama', name))).weights;

/** A small model with everything that could go wrong: grouped heads, three layers, odd widths. */
export const SMALL: Architecture = {
  family: 'llama',
  vocabSize: 53,
  hiddenSize: 24,
  intermediateSize: 44,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  maxPositions: 64,
  tiedHead: true,
  attentionBias: false,
  mlpBias: false,
};

export function randomWeights(architecture: Architecture, seed: number): Weights {
  const rng = rngOf(keyOf(seed, 'weights'));
  const parameters = parametersOf(architecture);
  const last = parameters.at(-1)!;
  const data = new Float32Array(last.offset + last.size);
  for (const { shape, offset, size } of parameters) {
    for (let i = offset; i < offset + size; i++) data[i] = shape.length === 1 ? 1 + 0.1 * rng.normal() : 0.3 * rng.normal();
  }
  return { architecture, data };
}

const tokens = (rng: Rng, length: number): number[] => Array.from({ length }, () => rng.below(SMALL.vocabSize));

function randomRow(rng: Rng, prompts: readonly (readonly number[])[]): SampleRow {
  const sampling = {
    temperature: rng.pick([0, 0.7, 1, 1.3]),
    topP: rng.pick([1, 0.9, 0.5]),
    maxNewTokens: 1 + rng.below(14),
  };
  const promptIds = rng.chance(0.5) ? rng.pick(prompts) : tokens(rng, 1 + rng.below(20));
  return { promptIds, key: [rng.word(), rng.word()], sampling, stopIds: rng.chance(0.5) ? [] : [1, 2, 3, 4, 5] };
}

function randomSequence(rng: Rng): SequenceRow {
  const ids = tokens(rng, 3 + rng.below(14));
  return { ids, targetStart: 1 + rng.below(ids.length - 1) };
}

export function engineContract({ name, make, exact }: EngineUnderTest): void {
  /** Loads, runs, disposes; and every tensor is freed, whatever was run. */
  const using = async (weights: Weights, run: (model: LoadedModel, engine: Engine) => void): Promise<void> => {
    const engine = await make();
    const before = engine.liveTensors();
    const model = engine.load(weights);
    const loaded = engine.liveTensors();
    run(model, engine);
    expect(engine.liveTensors()).toBe(loaded);
    model.dispose();
    expect(engine.liveTensors()).toBe(before);
  };
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
    gradients(using);

    it('score — a sequence’s numbers do not depend on the sequences beside it', () =>
      using(randomWeights(SMALL, 1), (model) => {
        const rng = rngOf(keyOf(1, 'score'));
        const sequences = Array.from({ length: 24 }, () => tokens(rng, 1 + rng.below(40)));
        const alone = sequences.map((ids) => model.score([ids])[0]!);
        for (let round = 0; round < 6; round++) {
          const picked = rng.take([...sequences.keys()], 1 + rng.below(24));
          const together = model.score(picked.map((i) => sequences[i]!));
          picked.forEach((i, at) => alone[i]!.forEach((x, t) => t > 0 && same(together[at]![t]!, x)));
        }
      }));

    it('sample — a row’s tokens and log-prob do not depend on the rows beside it', () =>
      using(randomWeights(SMALL, 2), (model) => {
        const rng = rngOf(keyOf(2, 'sample'));
        const prompts = Array.from({ length: 4 }, () => tokens(rng, 1 + rng.below(20)));
        const rows = Array.from({ length: 32 }, () => randomRow(rng, prompts));
        const alone = rows.map((row) => model.sample([row])[0]!);
        expect(new Set(alone.map((out) => out.finish))).toEqual(new Set(['stop', 'length']));
        for (let round = 0; round < 8; round++) {
          const picked = rng.take([...rows.keys()], 1 + rng.below(32));
          const together = model.sample(picked.map((i) => rows[i]!));
          picked.forEach((i, at) => sameOutput(together[at]!, alone[i]!));
        }
      }));

    it('sample — the log-prob is that of score over the new tokens and the stop token', () =>
      using(randomWeights(SMALL, 3), (model) => {
        const rng = rngOf(keyOf(3, 'sample'));
        const rows = Array.from({ length: 16 }, () => randomRow(rng, [[1, 2, 3]]));
        model.sample(rows).forEach(({ ids, finish, logprob }, i) => {
          const { promptIds, stopIds } = rows[i]!;
          expect(ids.some((id) => stopIds.includes(id))).toBe(false);
          const endings = finish === 'stop' ? stopIds.map((id) => [id]) : [[]];
          const sums = model
            .score(endings.map((end) => [...promptIds, ...ids, ...end]))
            .map((line) => line.subarray(promptIds.length).reduce((a, b) => a + b, 0));
          expect(Math.min(...sums.map((sum) => Math.abs(sum - logprob)))).toBeLessThan(2e-4);
        });
      }));

    it('sample — ends at maxNewTokens, at the last position, and at once where nothing may be added', () =>
      using(randomWeights(SMALL, 4), (model) => {
        const row = (length: number, maxNewTokens: number): SampleRow => ({
          promptIds: Array.from({ length }, (_, i) => i % SMALL.vocabSize),
          key: [1, 2],
          sampling: { temperature: 1, topP: 1, maxNewTokens },
          stopIds: [],
        });
        const out = model.sample([row(3, 5), row(60, 100), row(64, 5), row(4, 0)]);
        expect(out.map((o) => o.ids.length)).toEqual([5, 4, 0, 0]);
        expect(out.every((o) => o.finish === 'length')).toBe(true);
        expect(out[2]!.logprob).toBe(0);
        expect(model.sample([])).toEqual([]);
      }));

    it('sample — another key gives other tokens, temperature 0 heeds no key', () =>
      using(randomWeights(SMALL, 5), (model) => {
        const at = (temperature: number, key: RngKey): string => {
          const sampling = { temperature, topP: 1, maxNewTokens: 12 };
          return model.sample([{ promptIds: [7, 8], key, sampling, stopIds: [] }])[0]!.ids.join();
        };
        expect(at(1, [1, 0])).not.toBe(at(1, [2, 0]));
        expect(at(0, [1, 0])).toBe(at(0, [2, 0]));
      }));

    it('same input, same bits — score, sample and gradient with dropout', () =>
      using(randomWeights(SMALL, 6), (model) => {
        const rng = rngOf(keyOf(6, 'bits'));
        const rows = Array.from({ length: 6 }, () => randomRow(rng, [[9, 8, 7]]));
        const task: GradientTask = {
          objective: 'sft',
          rows: Array.from({ length: 5 }, () => randomSequence(rng)),
          scale: 17,
          dropout: 0.2,
          keys: Array.from({ length: 5 }, (_, i): RngKey => [i, 6]),
        };
        const once = () => {
          const into = new Float32Array(randomWeights(SMALL, 6).data.length).fill(9);
          const sums = model.gradient(task, into);
          return { out: model.sample(rows), lines: model.score(rows.map((r) => r.promptIds)), sums, into };
        };
        expect(once()).toEqual(once());
      }));

    it('refuses tokens outside the vocabulary, an empty prompt, too many positions: model.failed', () =>
      using(randomWeights(SMALL, 7), (model) => {
        const failed = expect.objectContaining({ code: 'model.failed' });
        const sampling = { temperature: 1, topP: 1, maxNewTokens: 2 };
        expect(() => model.score([[1, SMALL.vocabSize]])).toThrow(failed);
        expect(() => model.score([[1, -1]])).toThrow(failed);
        expect(() => model.score([new Array<number>(65).fill(1)])).toThrow(failed);
        expect(() => model.sample([{ promptIds: [], key: [0, 0], sampling, stopIds: [] }])).toThrow(failed);
      }));

    it('score — nothing precedes the first token: NaN; an empty sequence has no numbers', () =>
      using(randomWeights(SMALL, 8), (model) => {
        expect(model.score([])).toEqual([]);
        const [empty, one, two] = model.score([[], [5], [5, 6]]);
        expect(empty!.length).toBe(0);
        expect([...one!]).toEqual([Number.NaN]);
        expect(two![0]).toBeNaN();
        expect(two![1]).toBeLessThan(0);
      }));
  });
}

type Using = (weights: Weights, run: (model: LoadedModel, engine: Engine) => void) => Promise<void>;

function expectLogprobs(model: LoadedModel, golden: Pick<Golden, 'sequences' | 'logprobs'>, within: number): void {
  model.score(golden.sequences).forEach((line, i) => {
    expect(line[0]).toBeNaN();
    for (let t = 1; t < line.length; t++) expect(Math.abs(line[t]! - golden.logprobs[i]![t]!)).toBeLessThan(within);
  });
}

const greedyRow = (promptIds: readonly number[], maxNewTokens: number): SampleRow => ({
  promptIds,
  key: [0, 0],
  sampling: { temperature: 0, topP: 1, maxNewTokens },
  stopIds: [],
});

function goldenNumbers(using: Using): void {
  it.each(CHECKPOINTS)('%s — log-probs within 1e-4 of transformers, greedy tokens the same', async (name) => {
    const golden = json<Golden>(FIXTURES, 'llama', name, 'golden.json');
    await using(await checkpoint(name), (model) => {
      expectLogprobs(model, golden, 1e-4);
      const out = model.sample(golden.greedy.map(({ prompt, ids }) => greedyRow(prompt, ids.length)));
      expect(out.map((o) => o.ids)).toEqual(golden.greedy.map((g) => g.ids));
    });
  });

  it.skipIf(!existsSync(STORIES))('TinyStories 260K — log-probs within 2e-4, its greedy story token by token', async () => {
    interface Stories {
      readonly greedy_ids: readonly number[];
      readonly prompts: readonly { readonly ids: readonly number[]; readonly logprobs: readonly number[] }[];
    }
    const golden = json<Stories>(STORIES, 'golden.json');
    await using((await readCheckpoint(STORIES)).weights, (model) => {
      const sequences = golden.prompts.map((p) => p.ids);
      expectLogprobs(model, { sequences, logprobs: golden.prompts.map((p) => [null, ...p.logprobs]) }, 2e-4);
      const [first, ...story] = golden.greedy_ids;
      expect(model.sample([greedyRow([first!], story.length)])[0]!.ids).toEqual(story);
    });
  });
}

const targetsIn = (rows: readonly SequenceRow[]): number =>
  rows.reduce((sum, row) => sum + row.ids.length - Math.max(1, row.targetStart), 0);

function goldenTask(golden: GoldenGradient, steps: Steps): GradientTask {
  const { sft: rows, dpo } = steps.data;
  if (golden.objective === 'sft') return { objective: 'sft', rows, scale: targetsIn(rows), dropout: 0, keys: [] };
  const pairs = dpo.map((pair, i) => {
    const [referenceChosen, referenceRejected] = golden.reference[i]!;
    return { ...pair, referenceChosen, referenceRejected };
  });
  return { objective: 'dpo', beta: steps.beta, pairs, scale: pairs.length, dropout: 0, keys: [] };
}

const largest = (x: Float32Array): number => x.reduce((max, v) => Math.max(max, Math.abs(v)), 0);

/** Largest difference over largest number. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  return largest(actual.map((x, i) => x - expected[i]!)) / largest(expected);
}

const part = (block: Float32Array, { offset, size }: Parameter): Float32Array => block.slice(offset, offset + size);

function gradients(using: Using): void {
  const cases = json<GoldenGradient[]>(HERE, 'golden-gradients', 'golden-gradients.json');
  it.each(cases.map((c) => [c.model, c.objective, c] as const))(
    'gradient — %s, %s: loss within 1e-5 and every parameter within 1e-5 (relative) of torch',
    async (model, _, golden) => {
      const weights = await checkpoint(model);
      const task = goldenTask(golden, json<Steps>(FIXTURES, 'steps', 'golden-steps.json'));
      await using(weights, (loaded) => {
        const into = new Float32Array(weights.data.length).fill(7);
        const { loss } = loaded.gradient(task, into);
        expect(Math.abs(loss / task.scale - golden.loss)).toBeLessThan(1e-5);
        for (const parameter of parametersOf(weights.architecture)) {
          const bytes = Buffer.from(golden.gradients[parameter.name]!, 'base64');
          const expected = Float32Array.from({ length: parameter.size }, (_, i) => bytes.readFloatLE(4 * i));
          expect(relativeError(part(into, parameter), expected), parameter.name).toBeLessThan(1e-5);
        }
      });
    },
  );

  it('gradient — finite differences agree along the gradient, with dropout on', async () => {
    const weights = randomWeights(SMALL, 11);
    const rng = rngOf(keyOf(11, 'rows'));
    const rows = Array.from({ length: 6 }, () => randomSequence(rng));
    const keys = rows.map((_, i): RngKey => [i, 11]);
    const task: GradientTask = { objective: 'sft', rows, keys, scale: targetsIn(rows), dropout: 0.3 };
    const slope = new Float32Array(weights.data.length);
    await using(weights, (model) => model.gradient(task, slope));
    const norm = Math.sqrt(slope.reduce((sum, x) => sum + x * x, 0));
    const lossAt = async (step: number): Promise<number> => {
      const moved = { ...weights, data: weights.data.map((x, i) => x + (step * slope[i]!) / norm) };
      let loss = Number.NaN;
      await using(moved, (model) => {
        loss = model.gradient(task, new Float32Array(slope.length)).loss / task.scale;
      });
      return loss;
    };
    const step = 3e-3;
    const measured = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
    expect(Math.abs(measured / norm - 1)).toBeLessThan(5e-3);
  });

  it('gradient — a batch’s is the sum of its micro-batches’, dropout masks included', async () => {
    const weights = randomWeights(SMALL, 12);
    const rng = rngOf(keyOf(12, 'rows'));
    const rows = Array.from({ length: 5 }, () => randomSequence(rng));
    const keys = rows.map((_, i): RngKey => [i, 12]);
    await using(weights, (model) => {
      const of = (from: number, to: number) => {
        const into = new Float32Array(weights.data.length);
        const micro = { rows: rows.slice(from, to), keys: keys.slice(from, to) };
        const { loss } = model.gradient({ objective: 'sft', ...micro, scale: 10, dropout: 0.3 }, into);
        return { loss, into };
      };
      const whole = of(0, 5);
      const parts = [of(0, 2), of(2, 3), of(3, 5)];
      const sum = whole.into.map((_, i) => parts.reduce((total, p) => total + p.into[i]!, 0));
      expect(relativeError(sum, whole.into)).toBeLessThan(1e-5);
      expect(Math.abs(parts.reduce((total, p) => total + p.loss, 0) - whole.loss)).toBeLessThan(1e-4);
    });
  });

  it('gradient — dropout 0 heeds no key, dropout above 0 changes the loss with the key', async () => {
    const weights = randomWeights(SMALL, 13);
    await using(weights, (model) => {
      const loss = (dropout: number, key: RngKey) => {
        const rows = [{ ids: [3, 4, 5, 6, 7], targetStart: 1 }];
        return model.gradient({ objective: 'sft', rows, keys: [key], scale: 1, dropout }, new Float32Array(weights.data.length)).loss;
      };
      expect(loss(0, [1, 1])).toBe(loss(0, [2, 2]));
      expect(loss(0.2, [1, 1])).not.toBe(loss(0, [1, 1]));
      expect(loss(0.2, [1, 1])).not.toBe(loss(0.2, [2, 2]));
    });
  });

  it('gradient — rows without a target give zeros', async () => {
    const weights = randomWeights(SMALL, 14);
    await using(weights, (model) => {
      const into = new Float32Array(weights.data.length).fill(1);
      const rows = [{ ids: [3], targetStart: 1 }, { ids: [3, 4], targetStart: 2 }];
      expect(model.gradient({ objective: 'sft', rows, keys: [], scale: 1, dropout: 0 }, into).loss).toBe(0);
      expect(largest(into)).toBe(0);
    });
  });

  it('gradient — dpo at the reference: loss log 2 a pair, no positive margin; a worse reference for chosen: positive', async () => {
    const weights = randomWeights(SMALL, 15);
    await using(weights, (model) => {
      const chosen = { ids: [3, 4, 5, 6], targetStart: 2 };
      const rejected = { ids: [3, 4, 8], targetStart: 2 };
      const [c, r] = model.score([chosen.ids, rejected.ids]).map((line) => line.subarray(2).reduce((a, b) => a + b, 0));
      const at = (shift: number) => {
        const pairs = [{ chosen, rejected, referenceChosen: c! - shift, referenceRejected: r! }];
        return model.gradient({ objective: 'dpo', beta: 0.5, pairs, keys: [], scale: 1, dropout: 0 }, new Float32Array(weights.data.length));
      };
      expect(Math.abs(at(0).loss - Math.LN2)).toBeLessThan(1e-5);
      expect(at(2)).toMatchObject({ positive: 1, margin: expect.closeTo(1, 4) });
      expect(at(-2)).toMatchObject({ positive: 0, margin: expect.closeTo(-1, 4) });
    });
  });
}
