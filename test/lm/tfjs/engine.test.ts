/** The engine contract over every backend that loads here, and over both attentions. */
import { describe, expect, it } from 'vitest';
import { createTfjsEngine } from '../../../src/lm/tfjs/engine.js';
import { keyOf, rngOf } from '../../../src/rng.js';
import { engineContract } from '../../contracts/engine.js';
import { randomRow, randomWeights, SMALL } from '../../contracts/engine-models.js';

const native = await createTfjsEngine('tensorflow').catch((error: unknown) => error);
const nativeLoads = !(native instanceof Error);

engineContract({ name: 'tfjs wasm', make: () => createTfjsEngine('wasm'), exact: true });
engineContract({ name: 'tfjs cpu', make: () => createTfjsEngine('cpu'), exact: true });
engineContract({
  name: 'tfjs wasm, attention in tensors',
  make: () => createTfjsEngine('wasm', { attention: 'tensor' }),
  exact: false,
});

describe.skipIf(!nativeLoads)(
  'native (skipped where neither tfjs-node-gpu nor tfjs-node is installed)',
  () => {
    if (nativeLoads)
      engineContract({ name: 'tfjs tensorflow', make: () => createTfjsEngine('tensorflow'), exact: false });
    it('is chosen first', async () => {
      expect((await createTfjsEngine()).backend).toBe('tensorflow');
    });
  },
);

describe.skipIf(nativeLoads)('without a native backend', () => {
  it('tensorflow — backend.unavailable, and how to get it', () => {
    expect(native).toMatchObject({
      code: 'backend.unavailable',
      fields: { fix: expect.stringContaining('tfjs-node') },
    });
  });
  it('wasm is chosen', async () => {
    expect((await createTfjsEngine()).backend).toBe('wasm');
  });
});

it('wasm — at the size of the default model too, rows keep every bit among 120 others', async () => {
  const sizes = { vocabSize: 200, hiddenSize: 96, intermediateSize: 264, heads: 4, kvHeads: 4, headDim: 24 };
  const model = await (await createTfjsEngine('wasm')).load(randomWeights({ ...SMALL, ...sizes }, 3));
  const rng = rngOf(keyOf(3, 'large'));
  const rows = Array.from({ length: 120 }, () => randomRow(rng, [[1, 2, 3]]));
  const together = await model.sample(rows);
  const lines = await model.score(rows.map((row) => row.promptIds));
  for (const i of [0, 7, 50, 119]) {
    expect((await model.sample([rows[i]!]))[0]).toEqual(together[i]);
    expect((await model.score([rows[i]!.promptIds]))[0]).toEqual(lines[i]);
  }
  await model.dispose();
});

it('engines of two backends work side by side in one thread', async () => {
  const weights = randomWeights(SMALL, 1);
  const [wasm, cpu] = [
    await (await createTfjsEngine('wasm')).load(weights),
    await (await createTfjsEngine('cpu')).load(weights),
  ];
  for (let round = 0; round < 2; round++) {
    const [a, b] = [(await wasm.score([[1, 2, 3, 4]]))[0]!, (await cpu.score([[1, 2, 3, 4]]))[0]!];
    expect(Math.max(...a.subarray(1).map((x, i) => Math.abs(x - b[i + 1]!)))).toBeLessThan(1e-5);
  }
  await wasm.dispose();
  await cpu.dispose();
});
