/** Adapters over worker threads: whoever trains them, the same bits; what they are merged to; what is kept of them. */
import { describe, expect, it } from 'vitest';
import { adapterSize, factorsOf, mergeLayer } from '../../src/lm/lora.js';
import { weightsHash } from '../../src/lm/weights.js';
import type { LanguageModelOptions } from '../../src/pool/language-model.js';
import type { WorkerCrash } from '../../src/pool/runner.js';
import { versionId } from '../../src/protocol/ids.js';
import type { LoraConfig, TrainKeeping, TrainSpec, TrainState } from '../../src/protocol/lm.js';
import { M0, M1, open, pairsOf, rowsOf, specOf } from './models.js';

const LORA: LoraConfig = { rank: 2, alpha: 4, dropout: 0.1, targets: [] };
const SFT: TrainSpec = { ...specOf({ objective: 'sft', rows: rowsOf(14, 4) }), lora: LORA };
const DPO: TrainSpec = {
  ...specOf({ objective: 'dpo', rows: pairsOf(9), beta: 0.2 }, { dropout: 0 }),
  lora: { ...LORA, dropout: 0 },
};

async function trained(spec: TrainSpec, options: Partial<LanguageModelOptions>, keeping?: TrainKeeping) {
  const crashes: WorkerCrash[] = [];
  const model = await open({ ...options, onWorkerCrash: (crash) => crashes.push(crash) });
  const outcome = await model.train(spec, undefined, keeping);
  const { weights, adapter } = await model.checkpoint(M1);
  const base = (await model.checkpoint(M0)).weights;
  await model.close();
  return { outcome, weights, adapter: adapter!, base, crashes };
}

describe.each(['onnx', 'wasm'] as const)('a training of adapters on %s', (backend) => {
  it.each([
    ['sft with dropout', SFT],
    ['dpo', DPO],
  ] as const)('gives the same bits with any number of workers (%s)', async (_, spec) => {
    const one = await trained(spec, { workers: 1, backend });
    const two = await trained(spec, { workers: 2, backend });
    expect(two.outcome).toEqual(one.outcome);
    expect(two.weights.data).toEqual(one.weights.data);
    expect(two.adapter.data).toEqual(one.adapter.data);
  });

  it('begins as the base: the first loss of dpo is log 2; and its weights are the base with the adapter merged', async () => {
    const { outcome, weights, adapter, base } = await trained(DPO, { workers: 2, backend });
    expect(outcome.curve[0]!.loss).toBeCloseTo(Math.LN2, 5);
    expect(outcome.curve.at(-1)!.loss).toBeLessThan(outcome.curve[0]!.loss);
    expect(outcome.adapter).toEqual({
      rank: 2,
      alpha: 4,
      dropout: 0,
      targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      parameters: adapterSize(base.architecture, LORA),
    });
    const merged = base.data.slice();
    for (const layer of factorsOf(base.architecture, adapter)) mergeLayer(layer, base.data, merged);
    expect(weights.data).toEqual(merged);
    expect(weightsHash(weights)).toBe(outcome.weightsHash);
    expect(merged).not.toEqual(base.data);
  });

  it('comes to the same when a worker dies in a gradient and one in a merge', async () => {
    const calm = await trained(DPO, { workers: 2, backend });
    const faults = [
      { task: 'gradient', nth: 2, how: 'exit' },
      { task: 'merge', nth: 1, how: 'exit' },
    ] as const;
    const hurt = await trained(DPO, { workers: 2, backend, faults });
    expect(hurt.crashes.flatMap(({ task }) => (task === null ? [] : [task])).sort()).toEqual([
      'gradient',
      'merge',
    ]);
    expect(hurt.outcome).toEqual(calm.outcome);
    expect(hurt.weights.data).toEqual(calm.weights.data);
  });

  it('goes on from what was kept, which is as large as the adapter, to the same bits', async () => {
    const kept: TrainState[] = [];
    const whole = await trained(
      SFT,
      { workers: 1, backend },
      {
        every: 2,
        load: async () => null,
        save: async (state) => void kept.push(state),
      },
    );
    expect(kept.length).toBeGreaterThan(0);
    for (const { weights, mean, square } of kept)
      for (const block of [weights, mean, square])
        expect(block.length).toBe(adapterSize(whole.base.architecture, LORA));
    const goneOn = await trained(
      SFT,
      { workers: 1, backend },
      {
        every: 0,
        load: async () => kept[0]!,
        save: async () => undefined,
      },
    );
    expect(goneOn.outcome).toEqual(whole.outcome);
    expect(goneOn.weights.data).toEqual(whole.weights.data);
  });
});

it('adapters on a version that adapters made: each has its own, and the second stands on the merged first', async () => {
  const model = await open({ workers: 1, backend: 'onnx' });
  const M2 = versionId('M2');
  await model.train(SFT);
  await model.train({ ...DPO, from: M1, to: M2, key: [5, 6] });
  const [first, second] = [await model.checkpoint(M1), await model.checkpoint(M2)];
  expect(second.adapter!.data).not.toEqual(first.adapter!.data);
  const merged = first.weights.data.slice();
  for (const layer of factorsOf(first.weights.architecture, second.adapter!))
    mergeLayer(layer, first.weights.data, merged);
  expect(second.weights.data).toEqual(merged);
});

it('a layer that the model lacks is refused by name: config.invalid', async () => {
  const model = await open({ workers: 1, backend: 'onnx' });
  await expect(model.train({ ...SFT, lora: { ...LORA, targets: ['c_attn'] } })).rejects.toMatchObject({
    code: 'config.invalid',
    fields: { known: expect.arrayContaining(['q_proj', 'down_proj']) },
  });
});
