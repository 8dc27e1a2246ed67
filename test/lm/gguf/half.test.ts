import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halfBits, halves } from '../../../src/lm/gguf/half.js';

/** By the definition: sign, exponent − 15, ten bits of fraction. */
function numberOf(half: number): number {
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return exponent === 31
    ? fraction === 0
      ? sign * Infinity
      : Number.NaN
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('half precision', () => {
  it('gives back each of the 65,536 halves', () => {
    for (let half = 0; half < 0x10000; half++) {
      const value = numberOf(half);
      if (Number.isNaN(value)) expect(halfBits(value) & 0x7fff).toBeGreaterThan(0x7c00);
      else if (halfBits(value) !== half) expect.fail(`${half} became ${halfBits(value)}`);
    }
  });

  it('is the nearest, and of two as near the even one', () => {
    fc.assert(
      fc.property(fc.double({ min: -65504, max: 65504, noNaN: true }), (any) => {
        const value = Math.fround(any);
        const half = halfBits(value);
        const away = Math.abs(numberOf(half) - value);
        for (const next of [half - 1, half + 1]) {
          if ((next & 0x7c00) === 0x7c00 || ((next ^ half) & 0x8000) !== 0) continue;
          const other = Math.abs(numberOf(next) - value);
          expect(away < other || (away === other && half % 2 === 0)).toBe(true);
        }
      }),
      { seed: 7, numRuns: 3000 },
    );
    expect(halfBits(2049)).toBe(halfBits(2048)); // between 2048 and 2050
    expect(halfBits(2051)).toBe(halfBits(2052));
    expect(halfBits(2 ** -25)).toBe(0);
  });

  it('a number that has no half is told', () => {
    expect(halves(Float32Array.of(1, 65504, 65519))).not.toBeNull();
    expect(halves(Float32Array.of(1, -65520))).toBeNull();
  });
});
