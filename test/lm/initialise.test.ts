import { describe, expect, it } from 'vitest';
import { ARCHITECTURE } from '../../src/cli/microworld-m0.js';
import { type Architecture, parametersOf } from '../../src/lm/architecture.js';
import { initialise } from '../../src/lm/initialise.js';

const untied: Architecture = { ...ARCHITECTURE, tiedHead: false, attentionBias: true, mlpBias: true };
const partsOf = (architecture: Architecture, seed: number) => {
  const { data } = initialise(architecture, seed);
  return new Map(
    parametersOf(architecture).map(({ name, shape, offset, size }) => [
      name,
      { shape, data: data.slice(offset, offset + size) },
    ]),
  );
};
const deviationOf = (data: Float32Array) => {
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  return { mean, deviation: Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length) };
};

describe('initialise', () => {
  it('draws tables with deviation .02 and linear weights with .6 / √inputs; norms are ones, biases zeros', () => {
    for (const [name, { shape, data }] of partsOf(untied, 1)) {
      if (name.endsWith('.bias')) expect(data.every((x) => x === 0)).toBe(true);
      else if (shape.length === 1) expect(data.every((x) => x === 1)).toBe(true);
      else {
        const wanted = /embed_tokens|lm_head/.test(name) ? 0.02 : 0.6 / Math.sqrt(shape[1]!);
        const { mean, deviation } = deviationOf(data);
        expect(Math.abs(deviation / wanted - 1), name).toBeLessThan(0.03);
        expect(Math.abs(mean) / wanted, name).toBeLessThan(0.04);
      }
    }
  });

  it('gives a tensor the same numbers whatever stands beside it, and others for another seed or name', () => {
    const [tied, other, again] = [partsOf(ARCHITECTURE, 1), partsOf(ARCHITECTURE, 2), partsOf(untied, 1)];
    for (const [name, { shape, data }] of tied) {
      expect(again.get(name)!.data).toEqual(data);
      if (shape.length > 1) expect(other.get(name)!.data).not.toEqual(data);
    }
    const layer = (i: number) => tied.get(`model.layers.${i}.mlp.up_proj.weight`)!.data;
    expect(layer(0)).not.toEqual(layer(1));
  });
});
