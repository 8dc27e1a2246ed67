/**
 * Beyond the contract: on the compiled engine a row is itself in any company, for architectures of all kinds. The last bits may
 * differ, by processor (docs/decisions/0006-compiled-engine.md).
 */
import { describe, expect, it } from 'vitest';
import type { Architecture, Family } from '../../../src/lm/architecture.js';
import type { LoadedModel } from '../../../src/lm/engine.js';
import { createOnnxEngine } from '../../../src/lm/onnx/engine.js';
import type { SampleOutput, SampleRow } from '../../../src/protocol/lm.js';
import { keyOf, type Rng, rngOf } from '../../../src/rng.js';
import { randomWeights, SMALL, usingEngine } from '../../contracts/engine-models.js';

const using = usingEngine(() => createOnnxEngine());
const SEED = Number(process.env.COMPANY_SEED ?? 1);
const ARCHITECTURES = 14;

/** Head counts in turn, so that all are there, families too; everything else at random. */
function randomArchitecture(rng: Rng, i: number): Architecture {
  const [heads, kvHeads] = ([[1, 1], [2, 1], [2, 2], [4, 1], [4, 2], [4, 4], [3, 3]] as const)[i % 7]!; // biome-ignore format: a table
  return {
    ...SMALL,
    heads,
    kvHeads,
    headDim: rng.pick([2, 6, 10, 16, 24]),
    vocabSize: rng.pick([17, 33, 49, 64, 65, 100, 161]),
    hiddenSize: rng.pick([8, 20, 24, 33, 48]),
    intermediateSize: rng.pick([17, 32, 44, 65]),
    layers: 1 + rng.below(3),
    maxPositions: 160,
    tiedHead: rng.chance(0.5),
    attentionBias: rng.chance(0.5),
    mlpBias: rng.chance(0.5),
    ropeScaling: rng.chance(0.3) ? { kind: 'linear', factor: 2 } : null,
    ...familyOf(i, heads === kvHeads),
  };
}

/** GPT-2 has a key for each query. */
function familyOf(i: number, own: boolean): Pick<Architecture, 'family'> & Partial<Architecture> {
  const family = (['llama', 'qwen3', own ? 'gpt2' : 'qwen2'] as const satisfies readonly Family[])[i % 3]!;
  if (family !== 'gpt2') return { family };
  return { family, attentionBias: true, mlpBias: true, ropeScaling: null, activation: 'gelu-tanh' };
}

const nameOf = (a: Architecture): string =>
  `${a.family}, ${a.heads}/${a.kvHeads} heads of ${a.headDim}, vocabulary ${a.vocabSize}, width ${a.hiddenSize}/${a.intermediateSize}, ${a.layers} layers${a.tiedHead ? ', tied' : ''}`;

/** Prompts of one to sixty tokens, many of which begin alike, with heads on both sides of what is worth sharing. */
function promptsOf(rng: Rng, vocabSize: number): readonly (readonly number[])[] {
  const tokens = (n: number) => Array.from({ length: n }, () => rng.below(vocabSize));
  const heads = [17, 18, 31, 32, 47].map(tokens);
  return [
    ...heads,
    ...heads.flatMap((head) => [1, 2, 15].map((n) => [...head, ...tokens(n)])),
    ...[1, 1, 2, 15, 16, 17, 33, 60].map(tokens),
  ];
}

const rowOf = (rng: Rng, promptIds: readonly number[], vocabSize: number): SampleRow => ({
  promptIds,
  key: [rng.word(), rng.word()],
  sampling: {
    temperature: rng.pick([0, 0.3, 0.7, 1, 1.7]),
    topP: rng.pick([1, 0.95, 0.9, 0.5, 0.1]),
    maxNewTokens: rng.pick([0, 1, 2, 5, 15, 16, 17, 33, 40, 70]),
  },
  // Some stop soon, some at once whatever they draw.
  stopIds: rng.pick([[], [], [1, 2], Array.from({ length: vocabSize }, (_, id) => id)]),
});

/** Of a log-prob, nats. */
const CLOSE = 1e-4;

function expectSame(out: readonly SampleOutput[], expected: readonly SampleOutput[]): void {
  const drawn = (outputs: readonly SampleOutput[]) => outputs.map(({ ids, finish }) => ({ ids, finish }));
  expect(drawn(out)).toEqual(drawn(expected));
  out.forEach(({ logprob }, i) => {
    expect(Math.abs(logprob - expected[i]!.logprob)).toBeLessThan(CLOSE);
  });
}

async function alone(model: LoadedModel, rows: readonly SampleRow[]): Promise<readonly SampleOutput[]> {
  const out: SampleOutput[] = [];
  for (const row of rows) out.push((await model.sample([row]))[0]!);
  return out;
}

const cases = Array.from({ length: ARCHITECTURES }, (_, i) => {
  const rng = rngOf(keyOf(SEED, 'architecture', i));
  const architecture = randomArchitecture(rng, i);
  return [nameOf(architecture), architecture, rng, i] as const;
});

describe(`a row is the same in any company (again: COMPANY_SEED=${SEED})`, () => {
  it.each(cases)('%s', (_, architecture, rng, i) =>
    using(randomWeights(architecture, SEED * 1000 + i), async (model) => {
      const { vocabSize } = architecture;
      const prompts = promptsOf(rng, vocabSize);
      const rows = [...prompts, ...rng.take(prompts, 12)].map((ids) => rowOf(rng, ids, vocabSize));
      const expected = await alone(model, rows);
      const places = [...rows.keys()];
      for (let round = 0; round < 6; round++) {
        const picked = round === 0 ? places : rng.take(places, 1 + rng.below(rows.length));
        const together = await model.sample(picked.map((place) => rows[place]!));
        expectSame(together, picked.map((place) => expected[place]!)); // biome-ignore format: one line
      }

      const sequences = prompts.map((ids, n) => [...ids, ...expected[n]!.ids]);
      const scored: Float32Array[] = [];
      for (const ids of sequences) scored.push((await model.score([ids]))[0]!);
      for (let round = 0; round < 3; round++) {
        const picked = rng.take([...sequences.keys()], 1 + rng.below(sequences.length));
        const lines = await model.score(picked.map((n) => sequences[n]!));
        lines.forEach((line, i) => {
          line.forEach((logprob, t) => {
            if (t > 0) expect(Math.abs(logprob - scored[picked[i]!]![t]!)).toBeLessThan(CLOSE);
          });
        });
      }
    }),
  );
});

describe('more rows than places', () => {
  it('rows that wait, come in when others stop, and grow past the cache’s width are as alone', () =>
    using(randomWeights({ ...SMALL, maxPositions: 200 }, 21), async (model) => {
      const rng = rngOf(keyOf(21, 'refill'));
      const tokens = (n: number) => Array.from({ length: n }, () => rng.below(SMALL.vocabSize));
      const head = tokens(20);
      const rows = Array.from({ length: 300 }, (_, i): SampleRow => {
        const promptIds = i % 3 === 0 ? [...head, ...tokens(1 + (i % 5))] : tokens(1 + ((i * 7) % 40));
        const maxNewTokens = [1, 3, 20, 50, 90][i % 5]!;
        const sampling = { temperature: [0.7, 1][i % 2]!, topP: 0.9, maxNewTokens };
        return { promptIds, key: [i, 21], sampling, stopIds: i % 4 === 0 ? [1, 2, 3, 4, 5, 6] : [] };
      });
      const together = await model.sample(rows);
      const picked = [...rows.keys()].filter((place) => place % 5 === 3 || place % 11 === 0);
      const expected = await alone(
        model,
        picked.map((place) => rows[place]!),
      );
      expectSame(picked.map((place) => together[place]!), expected); // biome-ignore format: one line
      expectSame(await model.sample([...rows].reverse()), [...together].reverse());
    }));

  it('a prompt with more rows than there are places is sampled, among others', () =>
    using(randomWeights(SMALL, 22), async (model) => {
      const row = (promptIds: readonly number[], n: number): SampleRow => ({
        promptIds,
        key: [n, 22],
        sampling: { temperature: 1, topP: 1, maxNewTokens: 4 + (n % 3) },
        stopIds: [],
      });
      const rows = Array.from({ length: 180 }, (_, n) => row(n < 150 ? [5, 6, 7] : [n - 140], n));
      const together = await model.sample(rows);
      const picked = [0, 1, 127, 128, 149, 150, 179];
      const expected = await alone(model, picked.map((n) => rows[n]!)); // biome-ignore format: one line
      expectSame(picked.map((n) => together[n]!), expected); // biome-ignore format: one line
    }));

  it('rows that all end with their first token need no step', () =>
    using(randomWeights(SMALL, 23), async (model) => {
      const all = Array.from({ length: SMALL.vocabSize }, (_, id) => id);
      const rows = Array.from({ length: 200 }, (_, n): SampleRow => {
        const sampling = { temperature: 1, topP: 1, maxNewTokens: 1 + (n % 2) };
        return { promptIds: [n % SMALL.vocabSize], key: [n, 23], sampling, stopIds: n % 2 ? all : [] };
      });
      const out = await model.sample(rows);
      expect(out.map((o) => [o.ids.length, o.finish])).toEqual(
        rows.map((_, n) => (n % 2 ? [0, 'stop'] : [1, 'length'])),
      );
      for (const { logprob } of out) expect(logprob).toBeLessThan(0);
    }));
});
