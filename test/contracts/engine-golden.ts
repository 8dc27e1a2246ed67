/** The engine contract against torch + transformers: test/fixtures/<family>, test/fixtures/steps, golden-gradients/make.py. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { FAMILIES, type Parameter, parametersOf } from '../../src/lm/architecture.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import type { GradientTask, LoadedModel, SequenceRow, Weights } from '../../src/lm/engine.js';
import type { PairRecipe, SampleRow } from '../../src/protocol/lm.js';
import { largest, relativeError, targetsIn, type Using } from './engine-models.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const FIXTURES = join(HERE, '..', 'fixtures');
const STORIES = join(HERE, '..', '..', '..', 'shared', 'data', 'stories260K', 'derived');
const CHECKPOINTS = FAMILIES.flatMap((family) =>
  readdirSync(join(FIXTURES, family), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(FIXTURES, family, entry.name, 'golden.json')))
    .map((entry) => `${family}/${entry.name}`),
);

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
  (await readCheckpoint(join(FIXTURES, name.includes('/') ? name : join('llama', name)))).weights;

async function expectLogprobs(
  model: LoadedModel,
  golden: Pick<Golden, 'sequences' | 'logprobs'>,
  within: number,
): Promise<void> {
  (await model.score(golden.sequences)).forEach((line, i) => {
    expect(line[0]).toBeNaN();
    for (let t = 1; t < line.length; t++)
      expect(Math.abs(line[t]! - golden.logprobs[i]![t]!)).toBeLessThan(within);
  });
}

const greedyRow = (promptIds: readonly number[], maxNewTokens: number): SampleRow => ({
  promptIds,
  key: [0, 0],
  sampling: { temperature: 0, topP: 1, maxNewTokens },
  stopIds: [],
});

export function goldenNumbers(using: Using): void {
  it.each(CHECKPOINTS)('%s — log-probs within 1e-4 of transformers, greedy tokens the same', async (name) => {
    const golden = json<Golden>(FIXTURES, name, 'golden.json');
    await using(await checkpoint(name), async (model) => {
      await expectLogprobs(model, golden, 1e-4);
      const out = await model.sample(golden.greedy.map(({ prompt, ids }) => greedyRow(prompt, ids.length)));
      expect(out.map((o) => o.ids)).toEqual(golden.greedy.map((g) => g.ids));
    });
  });

  it.skipIf(!existsSync(STORIES))(
    'TinyStories 260K — log-probs within 2e-4, its greedy story token by token',
    async () => {
      interface Stories {
        readonly greedy_ids: readonly number[];
        readonly prompts: readonly {
          readonly ids: readonly number[];
          readonly logprobs: readonly number[];
        }[];
      }
      const golden = json<Stories>(STORIES, 'golden.json');
      await using((await readCheckpoint(STORIES)).weights, async (model) => {
        const sequences = golden.prompts.map((p) => p.ids);
        await expectLogprobs(
          model,
          { sequences, logprobs: golden.prompts.map((p) => [null, ...p.logprobs]) },
          2e-4,
        );
        const [first, ...story] = golden.greedy_ids;
        expect((await model.sample([greedyRow([first!], story.length)]))[0]!.ids).toEqual(story);
      });
    },
  );
}

interface GoldenRecipe {
  readonly model: string;
  readonly recipe: PairRecipe;
  readonly loss: number;
  readonly reference: GoldenGradient['reference'];
  readonly gradients: GoldenGradient['gradients'];
}

function goldenTask(golden: GoldenGradient, steps: Steps): GradientTask {
  const { sft: rows, dpo } = steps.data;
  if (golden.objective === 'sft')
    return { objective: 'sft', rows, scale: targetsIn(rows), dropout: 0, keys: [] };
  const pairs = dpo.map((pair, i) => {
    const [referenceChosen, referenceRejected] = golden.reference[i]!;
    return { ...pair, referenceChosen, referenceRejected };
  });
  return { objective: 'dpo', beta: steps.beta, pairs, scale: pairs.length, dropout: 0, keys: [] };
}

/** Of a gradient in float64 that is 0. */
const ROUNDING = 1e-12;

const part = (block: Float32Array, { offset, size }: Parameter): Float32Array =>
  block.slice(offset, offset + size);

const lines = <T>(...path: string[]): T[] =>
  readFileSync(join(...path), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

async function expectGradient(
  using: Using,
  weights: Weights,
  task: GradientTask,
  { loss: wanted, gradients }: Pick<GoldenGradient, 'loss' | 'gradients'>,
): Promise<void> {
  await using(weights, async (loaded) => {
    const into = new Float32Array(weights.data.length).fill(7);
    const { loss } = await loaded.gradient(task, into);
    expect(Math.abs(loss / task.scale / wanted - 1) * Math.min(1, wanted)).toBeLessThan(1e-5);
    for (const parameter of parametersOf(weights.architecture)) {
      const bytes = Buffer.from(gradients[parameter.name]!, 'base64');
      const expected = Float32Array.from({ length: parameter.size }, (_, i) => bytes.readFloatLE(4 * i));
      const own = part(into, parameter);
      // What is added to all keys alike moves no probability, where keys are not turned: nothing but rounding.
      if (largest(expected) < ROUNDING) expect(largest(own), parameter.name).toBeLessThan(1e-6);
      else expect(relativeError(own, expected), parameter.name).toBeLessThan(1e-5);
    }
  });
}

/** IPO, DPO + NLL, pairs partly reversed: golden-recipes/make.py. */
export function goldenRecipes(using: Using): void {
  const cases = lines<GoldenRecipe>(HERE, 'golden-recipes', 'golden-recipes.jsonl');
  it.each(cases.map((c) => [c.model, JSON.stringify(c.recipe), c] as const))(
    'gradient — %s, dpo by the recipe %s: loss and every parameter within 1e-5 (relative) of torch',
    async (model, _, golden) => {
      const { beta, data } = json<Steps>(FIXTURES, 'steps', 'golden-steps.json');
      const pairs = data.dpo.map((pair, i) => {
        const [referenceChosen, referenceRejected] = golden.reference[i]!;
        return { ...pair, referenceChosen, referenceRejected };
      });
      const { recipe } = golden;
      const task: GradientTask = {
        objective: 'dpo',
        beta,
        recipe,
        pairs,
        scale: pairs.length,
        dropout: 0,
        keys: [],
      };
      await expectGradient(using, await checkpoint(model), task, golden);
    },
  );
}

export function goldenGradients(using: Using): void {
  const cases = lines<GoldenGradient>(HERE, 'golden-gradients', 'golden-gradients.jsonl');
  it('gradient — golden ones are there for every architecture among the checkpoints, sft and dpo', async () => {
    // Other checkpoints hold one of these in another file format, in shards, or in an older spelling of its config.
    const architecture = async (name: string) => JSON.stringify((await checkpoint(name)).architecture);
    const all = new Set(await Promise.all(CHECKPOINTS.map(architecture)));
    for (const objective of ['sft', 'dpo']) {
      const golden = cases.filter((c) => c.objective === objective).map((c) => c.model);
      const covered = await Promise.all(golden.map(architecture));
      expect(new Set(covered)).toEqual(all);
      expect(covered.length).toBe(all.size);
    }
  });

  it.each(cases.map((c) => [c.model, c.objective, c] as const))(
    'gradient — %s, %s: loss within 1e-5 and every parameter within 1e-5 (relative) of torch',
    async (model, _, golden) => {
      const weights = await checkpoint(model);
      const task = goldenTask(golden, json<Steps>(FIXTURES, 'steps', 'golden-steps.json'));
      await expectGradient(using, weights, task, golden);
    },
  );
}
