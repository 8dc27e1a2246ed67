/** The engine contract about adapters: gradients and steps of AdamW by torch + PEFT (golden-lora/make.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { adamW, type OptimizerState } from '../../src/lm/adamw.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import type { GradientTask, Weights } from '../../src/lm/engine.js';
import { type Adapter, adapterModules, adapterSize } from '../../src/lm/lora.js';
import type { LoraConfig, TargetRow } from '../../src/protocol/lm.js';
import { relativeError, targetsIn, type Using } from './engine-models.js';

const HERE = join(import.meta.dirname, 'golden-lora');
const FIXTURES = join(import.meta.dirname, '../fixtures');

interface GoldenSteps {
  readonly model: string;
  readonly lora: LoraConfig;
  readonly objective: 'sft' | 'dpo';
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly losses: readonly number[];
  readonly after: GoldenLora['gradients'];
}

const stateOf = (weights: Float32Array): OptimizerState => ({
  weights,
  mean: new Float32Array(weights.length),
  square: new Float32Array(weights.length),
});

const folderOf = (name: string): string => join(FIXTURES, name.includes('/') ? name : join('llama', name));

const linesOf = <T>(file: string): readonly T[] =>
  readFileSync(join(HERE, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

interface GoldenLora {
  readonly model: string;
  readonly lora: LoraConfig;
  readonly objective: 'sft' | 'dpo';
  readonly loss: number;
  /** DPO: log-probs of chosen and rejected under the base. */
  readonly reference: readonly (readonly [number, number])[];
  /** Little-endian float32, base64, by our names of layers. */
  readonly gradients: Readonly<Record<string, { readonly a: string; readonly b: string }>>;
}

const floatsIn = (text: string): Float32Array => {
  const bytes = Buffer.from(text, 'base64');
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
};

const goldenLora = () => linesOf<GoldenLora>('golden-lora.jsonl');

/** What make.py starts from as well: A[i] = sin(i + 1) / 4, B[i] = cos(i + 1) / 8, counted through each layer's own. */
function goldenStart(weights: Weights, lora: LoraConfig): Adapter {
  const data = new Float32Array(adapterSize(weights.architecture, lora));
  for (const { inSize, outSize, aOffset, bOffset } of adapterModules(weights.architecture, lora)) {
    for (let i = 0; i < lora.rank * inSize; i++) data[aOffset + i] = Math.sin(i + 1) / 4;
    for (let i = 0; i < lora.rank * outSize; i++) data[bOffset + i] = Math.cos(i + 1) / 8;
  }
  return { lora, data };
}

export function goldenAdapters(using: Using): void {
  const { beta, data } = JSON.parse(readFileSync(join(FIXTURES, 'steps/golden-steps.json'), 'utf8')) as {
    readonly beta: number;
    readonly data: {
      readonly sft: readonly TargetRow[];
      readonly dpo: readonly { readonly chosen: TargetRow; readonly rejected: TargetRow }[];
    };
  };
  const taskOf = ({ objective, reference }: Pick<GoldenLora, 'objective' | 'reference'>): GradientTask => {
    const base = { dropout: 0, keys: [] };
    if (objective === 'sft') return { ...base, objective, rows: data.sft, scale: targetsIn(data.sft) };
    const pairs = data.dpo.map((pair, i) => {
      const [referenceChosen, referenceRejected] = reference[i]!;
      return { ...pair, referenceChosen, referenceRejected };
    });
    return { ...base, objective, beta, pairs, scale: pairs.length };
  };
  it.each(goldenLora().map((c) => [c.model, c.objective, JSON.stringify(c.lora.targets), c] as const))(
    'adapters — %s, %s, targets %s: loss and every A and B within 1e-5 (relative) of PEFT',
    async (name, _, _targets, golden) => {
      const { weights } = await readCheckpoint(folderOf(name));
      const adapter = goldenStart(weights, golden.lora);
      const modules = adapterModules(weights.architecture, golden.lora);
      expect(modules.map(({ name: module }) => module).sort()).toEqual(Object.keys(golden.gradients).sort());
      const into = new Float32Array(adapter.data.length).fill(7);
      await using(weights, async (model) => {
        const task = taskOf(golden);
        const { loss } = await model.gradient(task, into, adapter);
        expect(Math.abs(loss / task.scale / golden.loss - 1)).toBeLessThan(1e-5);
      });
      for (const { name: module, aOffset, bOffset, outSize } of modules) {
        const { a, b } = golden.gradients[module]!;
        const end = bOffset + outSize * golden.lora.rank;
        expect(relativeError(into.slice(aOffset, bOffset), floatsIn(a)), `${module} A`).toBeLessThan(1e-5);
        expect(relativeError(into.slice(bOffset, end), floatsIn(b)), `${module} B`).toBeLessThan(1e-5);
      }
    },
  );

  const steps = linesOf<GoldenSteps>('golden-steps.jsonl');
  it.each(steps.map((c, i) => [c.model, c.objective, i, c] as const))(
    'adapters — %s, %s: three steps of AdamW give PEFT’s losses, and its A and B within 1e-4 (case %i)',
    async (name, _, i, golden) => {
      const { weights } = await readCheckpoint(folderOf(name));
      const { lora, learningRate, weightDecay } = golden;
      let state = stateOf(goldenStart(weights, lora).data);
      await using(weights, async (model) => {
        const task = taskOf(goldenLora()[i]!);
        for (const [step, wanted] of golden.losses.entries()) {
          const into = new Float32Array(state.weights.length);
          const { loss } = await model.gradient(task, into, { lora, data: state.weights });
          expect(Math.abs(loss / task.scale / wanted - 1)).toBeLessThan(1e-4);
          const next = stateOf(new Float32Array(into.length));
          const betas = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
          const config = { learningRate, weightDecay, ...betas, step: step + 1, gradientScale: 1 };
          adamW(state, into, next, config, 0, into.length);
          state = next;
        }
      });
      for (const { name: module, aOffset, bOffset, outSize } of adapterModules(weights.architecture, lora)) {
        const { a, b } = golden.after[module]!;
        const end = bOffset + outSize * lora.rank;
        expect(relativeError(state.weights.slice(aOffset, bOffset), floatsIn(a)), module).toBeLessThan(1e-4);
        expect(relativeError(state.weights.slice(bOffset, end), floatsIn(b)), module).toBeLessThan(1e-4);
      }
    },
  );
}
