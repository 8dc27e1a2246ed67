import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstStop, settledLength } from '../../src/serve/stop-text.js';

/** As a reader does who gets one character at a time. */
function slowly(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const ends = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (ends.length > 0) return text.slice(0, end - Math.max(...ends.map((stop) => stop.length)));
  }
  return text;
}

/** What a stream shows in pieces that end anywhere. */
function streamed(text: string, stops: readonly string[], borders: readonly number[]): string {
  let out = '';
  for (const border of [...borders.map((b) => b % (text.length + 1)).sort((a, b) => a - b), text.length]) {
    const now = text.slice(0, border);
    const hit = firstStop(now, stops);
    if (hit !== null) return out + now.slice(out.length, hit.at);
    out += now.slice(out.length, settledLength(now, stops));
  }
  return text;
}

const few = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 });
const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
  maxLength: 3,
});

describe('stop texts', () => {
  it('cut where the first is complete, and a stream in any pieces shows the same and takes nothing back', () => {
    fc.assert(
      fc.property(few, stops, fc.array(fc.nat(), { maxLength: 5 }), (text, stops, borders) => {
        const hit = firstStop(text, stops);
        const cut = hit === null ? text : text.slice(0, hit.at);
        expect(cut).toBe(slowly(text, stops));
        expect(streamed(text, stops, borders)).toBe(cut);
      }),
      { numRuns: 2000 },
    );
  });

  it('half a character waits', () => {
    expect(settledLength('caf\ufffd', [])).toBe(3);
    expect(settledLength('a\ufffdb', [])).toBe(3);
  });
});
