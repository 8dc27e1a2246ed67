import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { samplePartsOf } from '../../src/pool/sample-parts.js';
import type { SampleRow } from '../../src/protocol/lm.js';

const PROMPTS = [[1], [1, 2], [2, 1], [12], [1, 2, 3, 4, 5], [7, 7, 7], [4, 4, 4, 4, 4, 4, 4, 4, 4]];
const rowOf = (promptIds: readonly number[]): SampleRow => ({
  promptIds,
  key: [0, 0],
  sampling: { temperature: 1, topP: 1, maxNewTokens: 4 },
  stopIds: [],
});
const rowsArb = fc.array(fc.constantFrom(...PROMPTS).map(rowOf), { maxLength: 60 });

describe('parts of a sample call', () => {
  it('hold each place once, and none is empty', () => {
    fc.assert(
      fc.property(rowsArb, (rows) => {
        const parts = samplePartsOf(rows);
        expect(parts.flat().sort((a, b) => a - b)).toEqual(rows.map((_, i) => i));
        if (rows.length > 0) for (const part of parts) expect(part.length).toBeGreaterThan(0);
      }),
    );
  });

  it('keep rows of one prompt together', () => {
    fc.assert(
      fc.property(rowsArb, (rows) => {
        const parts = samplePartsOf(rows);
        const partOf = new Map<string, number>();
        parts.forEach((part, i) => {
          for (const place of part) {
            const prompt = rows[place]!.promptIds.join();
            expect(partOf.get(prompt) ?? i).toBe(i);
            partOf.set(prompt, i);
          }
        });
      }),
    );
  });

  it('differ by no more rows than the largest group of one prompt has', () => {
    fc.assert(
      fc.property(rowsArb, (rows) => {
        const parts = samplePartsOf(rows);
        const groups = new Map<string, number>();
        for (const { promptIds } of rows) {
          const prompt = promptIds.join();
          groups.set(prompt, (groups.get(prompt) ?? 0) + 1);
        }
        if (groups.size < parts.length) return;
        const sizes = parts.map((part) => part.length);
        const largest = Math.max(0, ...groups.values());
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(largest);
      }),
    );
  });

  it('are two where there are rows and prompts enough, four, six … where a part would hold more than 64, one where there are few', () => {
    const different = Array.from({ length: 200 }, (_, i) => rowOf([i]));
    const sizes = (rows: readonly SampleRow[]) => samplePartsOf(rows).map((part) => part.length);
    expect(sizes(different.slice(0, 7))).toEqual([7]);
    expect(sizes(different.slice(0, 8))).toEqual([4, 4]);
    expect(sizes(different.slice(0, 128))).toEqual([64, 64]);
    expect(sizes(different.slice(0, 180))).toEqual([45, 45, 45, 45]);
    expect(sizes(different)).toEqual([50, 50, 50, 50]);
    expect(sizes(different.map(() => rowOf([5])))).toEqual([200]);
  });
});
