import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES, parametersOf } from '../../src/lm/architecture.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { readSafetensors } from '../../src/lm/safetensors.js';
import { weightsHash } from '../../src/lm/weights.js';
import type { SharedModel } from '../../src/pool/language-model.js';
import { versionId } from '../../src/protocol/ids.js';
import type { SampleRow, TrainStep } from '../../src/protocol/lm.js';
import {
  create,
  fixture,
  type Golden,
  type GoldenSteps,
  hasStories,
  here,
  json,
  M0,
  M1,
  nextVersion,
  open,
  pairsOf,
  rowsOf,
  STORIES,
  sampleRows,
  specOf,
} from './models.js';

const NAMES = FAMILIES.flatMap((family) =>
  readdirSync(here(`../fixtures/${family}`))
    .filter((name) => !name.includes('.'))
    .map((name) => `${family}/${name}`),
);
const greedy = (
  promptIds: readonly number[],
  maxNewTokens: number,
  stopIds: readonly number[] = [],
): SampleRow => ({
  promptIds,
  key: [0, 0],
  sampling: { temperature: 0, topP: 1, maxNewTokens },
  stopIds,
});
const worstOf = (scored: readonly Float32Array[], said: readonly (readonly (number | null)[])[]): number =>
  Math.max(...scored.flatMap((row, i) => [...row].slice(1).map((x, j) => Math.abs(x - said[i]![j + 1]!))));

let model: SharedModel;
beforeAll(async () => {
  model = await create({ workers: 2 });
});
afterAll(() => model.close());

describe('language model over worker threads', () => {
  it('log-probs and greedy continuations of all random checkpoints, of every family, are those of transformers', async () => {
    for (const name of NAMES) {
      const version = versionId(name.replace('/', ':'));
      model.register(version, await readCheckpoint(here(`../fixtures/${name}`)));
      const golden = json<Golden>(here(`../fixtures/${name}/golden.json`));
      expect(worstOf(await model.score(version, golden.sequences), golden.logprobs), name).toBeLessThan(1e-4);
      const outputs = await model.sample(
        version,
        golden.greedy.map(({ prompt, ids }) => greedy(prompt, ids.length)),
      );
      expect(
        outputs.map((o) => o.ids),
        name,
      ).toEqual(golden.greedy.map((g) => g.ids));
      model.release(version);
    }
  });

  describe.skipIf(!hasStories)(
    'the real TinyStories checkpoint (skipped where ../shared/data is absent)',
    () => {
      const golden = () =>
        json<{
          greedy_ids: number[];
          greedy_text: string;
          prompts: { text: string; ids: number[]; logprobs: number[] }[];
        }>(join(STORIES, 'golden.json'));

      it('gives the golden log-probs, and its greedy story to the letter', async () => {
        const version = versionId('checkpoint:stories');
        model.register(version, await readCheckpoint(STORIES));
        const tokenizer = model.tokenizer(version);
        const { prompts, greedy_ids: ids, greedy_text: text } = golden();
        for (const prompt of prompts) expect(tokenizer.encodePrompt(prompt.text)).toEqual(prompt.ids);
        const scored = await model.score(
          version,
          prompts.map((p) => p.ids),
        );
        expect(
          worstOf(
            scored,
            prompts.map((p) => [null, ...p.logprobs]),
          ),
        ).toBeLessThan(2e-4);
        const [story] = await model.sample(version, [greedy(ids.slice(0, 1), ids.length - 1)]);
        expect(story!.ids).toEqual(ids.slice(1));
        expect(tokenizer.decode(story!.ids).trim()).toBe(text.trim());
        expect(text.length).toBe(565);
      });
    },
  );

  const steps = json<GoldenSteps>(here('../fixtures/steps/golden-steps.json'));
  it.each(steps.cases)(
    'two $objective steps from $model are those of torch and transformers',
    async ({ model: name, objective, steps: said, weightsAfter }) => {
      const [from, to] = [nextVersion(), nextVersion()];
      model.register(from, await fixture(name));
      const data =
        objective === 'sft'
          ? { objective, rows: steps.data.sft }
          : { objective, rows: steps.data.dpo, beta: steps.beta };
      const optimizer = {
        ...steps.optimizer,
        finalLearningRate: steps.optimizer.learningRate,
        warmupSteps: 0,
        epochs: said.length,
        batchSize: data.rows.length,
        dropout: 0,
      };
      const { curve } = await model.train({ ...specOf(data, optimizer), from, to });
      curve.forEach((step, i) => {
        expect(step.loss).toBeCloseTo(said[i]!.loss, 5);
        expect(step.gradNorm).toBeCloseTo(said[i]!.gradNorm, 4);
        if (objective === 'dpo') expect(step.margin).toBeCloseTo(said[i]!.margin!, 5);
      });
      const { weights } = await model.checkpoint(to);
      const parameters = new Map(parametersOf(weights.architecture).map((p) => [p.name, p]));
      let worst = 0;
      for (const { name: tensor, data: expected } of await readSafetensors(
        here(`../fixtures/steps/${weightsAfter}`),
      )) {
        const { offset } = parameters.get(tensor)!;
        expected.forEach((x, i) => {
          worst = Math.max(worst, Math.abs(x - weights.data[offset + i]!));
        });
      }
      expect(worst).toBeLessThan(1e-5);
    },
  );

  it('training makes a new version and leaves the old one as it was', async () => {
    const before = weightsHash((await model.checkpoint(M0)).weights);
    const said: TrainStep[] = [];
    const spec = { ...specOf({ objective: 'sft', rows: rowsOf(7, 0) }), to: nextVersion() };
    const outcome = await model.train(spec, (step) => said.push(step));
    expect(weightsHash((await model.checkpoint(M0)).weights)).toBe(before);
    expect(outcome.weightsHash).toBe(weightsHash((await model.checkpoint(spec.to)).weights));
    expect(outcome.weightsHash).not.toBe(before);
    expect(said).toEqual(outcome.curve);
    expect(said.map((s) => [s.step, s.steps])).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
      [4, 4],
    ]);
    await expect(model.train(spec)).rejects.toMatchObject({ code: 'protocol.violation' });
  });

  it('DPO starts with no margin and prefers the chosen more after a while', async () => {
    const { curve } = await model.train({
      ...specOf({ objective: 'dpo', rows: pairsOf(6), beta: 0.1 }, { epochs: 6, dropout: 0 }),
      to: nextVersion(),
    });
    expect(curve[0]!.loss).toBeCloseTo(Math.LN2, 5);
    expect(curve.at(-1)!.loss).toBeLessThan(0.5);
    expect(curve.at(-1)!.accuracy).toBe(1);
  });

  it('DPO with another reference starts at its log-ratios, and leaves the same weights where that is what it starts from', async () => {
    const spec = specOf(
      { objective: 'dpo', rows: pairsOf(4), beta: 0.5 },
      { epochs: 1, batchSize: 4, dropout: 0 },
    );
    const moved = nextVersion();
    await model.train({ ...spec, to: moved });
    const targets = pairsOf(4).map(({ chosen, rejected }) => [chosen, rejected] as const);
    const sums = async (version: typeof moved) => {
      const scored = await model.score(
        version,
        targets.flat().map(({ ids }) => ids),
      );
      return scored.map((row, i) => row.subarray(targets.flat()[i]!.targetStart).reduce((a, b) => a + b, 0));
    };
    const [now, then] = [await sums(moved), await sums(M0)];
    const ratios = now.map((one, i) => one - then[i]!);
    const margins = targets.map((_, i) => 0.5 * (ratios[2 * i]! - ratios[2 * i + 1]!));
    const first = async (reference?: typeof moved) =>
      model.train({ ...spec, from: moved, to: nextVersion(), ...(reference && { reference }) });
    const other = await first(M0);
    expect(other.curve[0]!.margin).toBeCloseTo(margins.reduce((a, b) => a + b, 0) / 4, 4);
    expect(Math.abs(other.curve[0]!.margin!)).toBeGreaterThan(0.001);
    const own = await first();
    expect(own.curve[0]!.margin).toBeCloseTo(0, 5);
    expect((await first(moved)).weightsHash).toBe(own.weightsHash);
    expect(other.weightsHash).not.toBe(own.weightsHash);
  });

  it('dropout is active in training and off in scoring', async () => {
    const losses = async (dropout: number) => {
      const still = { dropout, epochs: 1, warmupSteps: 0, learningRate: 0, finalLearningRate: 0 };
      const to = nextVersion();
      const { curve } = await model.train({ ...specOf({ objective: 'sft', rows: rowsOf(6, 0) }, still), to });
      return {
        loss: curve[0]!.loss,
        scored: await model.score(
          to,
          rowsOf(6, 0).map((r) => r.ids),
        ),
      };
    };
    const [off, on] = [await losses(0), await losses(0.5)];
    expect(on.loss).not.toBeCloseTo(off.loss, 3);
    expect(on.scored).toEqual(off.scored);
  });

  it('scores come in the order of the sequences, whatever the chunks', async () => {
    const sequences = rowsOf(70, 4).map((r) => r.ids);
    const scored = await model.score(M0, sequences);
    expect(scored.map((s) => s.length)).toEqual(sequences.map((s) => s.length));
    const [alone] = await model.score(M0, [sequences[41]!]);
    expect(scored[41]).toEqual(alone);
    expect(scored[0]![0]).toBeNaN();
    expect(await model.score(M0, [])).toEqual([]);
    expect(await model.sample(M0, [])).toEqual([]);
  });

  it('a row stops at the end of the positions', async () => {
    const prompt = [1, ...Array.from({ length: 119 }, (_, i) => 3 + (i % 50))];
    const [output] = await model.sample(M0, [greedy(prompt, 50)]);
    expect(model.contextLength(M0)).toBe(128);
    expect(output!.ids.length).toBe(8);
    expect(output!.finish).toBe('length');
  });

  it.each<[string, number[][]]>([
    ['an empty sequence', [[1], []]],
    ['a token beyond the vocabulary', [[1], [1, 64]]],
    ['a token that is no whole number', [[1], [1.5]]],
    ['more tokens than positions', [[1], Array.from({ length: 129 }, () => 3)]],
  ])('%s is data.invalid and names the row', async (_, sequences) => {
    await expect(model.score(M0, sequences)).rejects.toMatchObject({
      code: 'data.invalid',
      fields: { row: 1 },
    });
  });

  it('a version that is not there is named with those that are', async () => {
    await expect(model.sample(M1, sampleRows(1))).rejects.toMatchObject({
      code: 'checkpoint.missing',
      fields: { version: 'M1' },
    });
    await expect(
      model.train({ ...specOf({ objective: 'sft', rows: rowsOf(2, 0) }), from: M1, to: versionId('M2') }),
    ).rejects.toMatchObject({ code: 'checkpoint.missing' });
    expect(() => model.tokenizer(M0)).toThrow(expect.objectContaining({ code: 'tokenizer.invalid' }));
    expect(model.versions()).toContain(M0);
  });

  it('a training that diverges is a clear error and no version', async () => {
    const checkpoint = await fixture('gqa-untied');
    checkpoint.weights.data.fill(1e38);
    const wild = versionId('wild');
    model.register(wild, checkpoint);
    await expect(
      model.train({ ...specOf({ objective: 'sft', rows: rowsOf(3, 0) }), from: wild }),
    ).rejects.toMatchObject({ code: 'model.failed' });
    expect(model.has(M1)).toBe(false);
  });

  it.skipIf(['', '-gpu'].some((kind) => existsSync(here(`../../node_modules/@tensorflow/tfjs-node${kind}`))))(
    'a backend that is not there is said with the way to get it (skipped where tfjs-node is installed)',
    async () => {
      await expect(open({ backend: 'tensorflow' })).rejects.toMatchObject({
        code: 'backend.unavailable',
        fields: { fix: expect.stringContaining('npm install') },
      });
    },
  );

  it('no worker is config.invalid', async () => {
    await expect(open({ workers: 0 })).rejects.toMatchObject({ code: 'config.invalid' });
  });
});
