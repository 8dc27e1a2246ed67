/** The laws of the memory estimate; how near it is to a measured run is bench/lora.ts' business (docs/lora.md). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/lm/architecture.js';
import { estimateMemory, MEMORY_PARTS, MOST_INSIDE, type RunShape } from '../../src/lm/memory-estimate.js';
import { tinyLlama } from '../support/architecture.js';

const architecture = (width: number, layers: number, vocabSize: number) => ({
  ...tinyLlama(vocabSize, 512),
  hiddenSize: 8 * width,
  headDim: 4 * width,
  intermediateSize: 20 * width,
  heads: 2,
  kvHeads: 2,
  layers,
});
const lora = { rank: 4, alpha: 8, dropout: 0, targets: [] };

const shapes = fc.record({
  width: fc.integer({ min: 2, max: 64 }),
  layers: fc.integer({ min: 1, max: 24 }),
  vocabSize: fc.integer({ min: 16, max: 50_000 }),
  workers: fc.integer({ min: 1, max: 16 }),
  versions: fc.integer({ min: 3, max: 12 }),
  sequences: fc.integer({ min: 1, max: 16 }),
  microBatches: fc.integer({ min: 1, max: 8 }),
  tokens: fc.integer({ min: 8, max: 512 }),
  rows: fc.integer({ min: 1, max: 64 }),
});
type Numbers = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

const shapeOf = (n: Numbers): RunShape => ({
  architecture: architecture(n.width, n.layers, n.vocabSize),
  workers: n.workers,
  versions: n.versions,
  trainings: [{ sequences: n.sequences, microBatches: n.microBatches }],
  tokens: n.tokens,
  rows: n.rows,
});

describe('the memory estimate', () => {
  it.each([
    'layers',
    'vocabSize',
    'workers',
    'versions',
    'sequences',
    'microBatches',
    'tokens',
    'rows',
  ] as const)('is never smaller with more %s', (field) => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 5 }), (numbers, more) => {
        const [less, greater] = [numbers, { ...numbers, [field]: numbers[field] + more }].map((n) =>
          estimateMemory(shapeOf(n)),
        );
        // A worker keeps fewer models, and fewer copies, where they are large: the one part that may fall.
        const grown = MEMORY_PARTS.filter((part) => part !== 'workers’ copies');
        for (const part of grown) expect(greater!.parts[part]).toBeGreaterThanOrEqual(less!.parts[part]);
        if (sizeOf(shapeOf(numbers).architecture) * 4 * 3 < MOST_INSIDE)
          expect(greater!.bytes).toBeGreaterThanOrEqual(less!.bytes);
      }),
    );
  });

  it('is smaller with adapters, by the training state alone, and grows with their rank', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 4 }), (numbers, rank) => {
        const shape = shapeOf({ ...numbers, width: numbers.width + 16 });
        const full = estimateMemory(shape);
        const adapters = (r: number) => estimateMemory({ ...shape, lora: { ...lora, rank: r } });
        expect(adapters(rank).bytes).toBeLessThan(full.bytes);
        expect(adapters(rank + 1).bytes).toBeGreaterThan(adapters(rank).bytes);
        for (const part of MEMORY_PARTS.filter((one) => one !== 'training state'))
          expect(adapters(rank).parts[part]).toBe(full.parts[part]);
      }),
    );
  });

  it('is the sum of its parts, and holds each version once and AdamW’s state of what is trained', () => {
    const shape = shapeOf({
      width: 16,
      layers: 2,
      vocabSize: 100,
      workers: 1,
      versions: 5,
      sequences: 2,
      microBatches: 3,
      tokens: 32,
      rows: 4,
    });
    const weights = 4 * sizeOf(shape.architecture);
    const { bytes, parts } = estimateMemory(shape);
    expect(bytes).toBe(MEMORY_PARTS.reduce((sum, part) => sum + parts[part], 0));
    expect(parts.versions).toBe(5 * weights);
    expect(parts['training state']).toBe((2 * 3 + 1 + 3 + 1) * weights);
  });
});
