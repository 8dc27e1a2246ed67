import { describe, expect, it } from 'vitest';
import { dropoutMask } from '../../src/lm/dropout.js';
import { layOut } from '../../src/lm/layout.js';
import type { RngKey } from '../../src/protocol/lm.js';

const ids = (n: number) => new Array<number>(n).fill(1);
const keys: readonly RngKey[] = [
  [1, 0],
  [2, 0],
  [3, 0],
];
const SIZE = 20;

describe('dropout masks', () => {
  it('drop the asked share and scale the rest by 1 / (1 − rate)', () => {
    const mask = dropoutMask(layOut([ids(2000)], false), [[7, 7]], 0.3, 0, 'mlp', SIZE);
    const dropped = mask.filter((x) => x === 0).length / mask.length;
    expect(Math.abs(dropped - 0.3)).toBeLessThan(0.01);
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
  });

  it('a row’s mask depends neither on its neighbours nor on padding', () => {
    const alone = dropoutMask(layOut([ids(7)], false), [keys[1]!], 0.5, 2, 'attention', SIZE);
    const packed = layOut([ids(4), ids(7), ids(9)], false);
    const padded = layOut([ids(4), ids(7), ids(9)], true);
    for (const layout of [packed, padded]) {
      const start = layout.starts[1]! * SIZE;
      const mask = dropoutMask(layout, keys, 0.5, 2, 'attention', SIZE);
      expect(mask.slice(start, start + alone.length)).toEqual(alone);
    }
  });

  it('differ by layer, site and key', () => {
    const layout = layOut([ids(9)], false);
    const masks = [
      dropoutMask(layout, [[1, 0]], 0.5, 0, 'attention', SIZE),
      dropoutMask(layout, [[1, 0]], 0.5, 1, 'attention', SIZE),
      dropoutMask(layout, [[1, 0]], 0.5, 0, 'mlp', SIZE),
      dropoutMask(layout, [[1, 1]], 0.5, 0, 'attention', SIZE),
    ].map((mask) => mask.join());
    expect(new Set(masks).size).toBe(4);
  });
});
