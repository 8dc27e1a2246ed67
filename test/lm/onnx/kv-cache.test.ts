import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../../src/lm/architecture.js';
import {
  copyStrided,
  createKvCache,
  type KvCache,
  MASKED,
  rowBytes,
  type Segment,
  WIDTH_STEP,
  widthFor,
} from '../../../src/lm/onnx/kv-cache.js';
import { floatsOf } from '../../../src/lm/onnx/session.js';
import { SMALL } from '../../contracts/engine-models.js';

const SIZES: Architecture = { ...SMALL, layers: 2, heads: 4, kvHeads: 2, headDim: 3 };
const { layers, kvHeads, headDim } = SIZES;
const LINE = kvHeads * headDim;

/** A token's number; what it leaves at a layer is told from it, so nothing need be remembered twice. */
type Token = number;
const keyAt = (token: Token, layer: number, i: number): number => token + layer / 4 + i / 64;
const valueAt = (token: Token, layer: number, i: number): number => -keyAt(token, layer, i);

/** Tokens as the prefill graph gives them: sequence `index` of `count`, padded to `lines` with something else. */
function segmentOf(tokens: readonly Token[], count: number, index: number, lines: number): Segment {
  const keys = new Float32Array(layers * count * LINE * lines).fill(1e6);
  const values = new Float32Array(layers * count * LINE * lines).fill(1e6);
  for (let layer = 0; layer < layers; layer++)
    tokens.forEach((token, t) => {
      for (let i = 0; i < LINE; i++) {
        const block = (layer * count + index) * LINE * lines;
        keys[block + i * lines + t] = keyAt(token, layer, i);
        const [head, d] = [Math.floor(i / headDim), i % headDim];
        values[block + (head * lines + t) * headDim + d] = valueAt(token, layer, i);
      }
    });
  return { keys, values, count, index, lines, used: tokens.length };
}

/** What each row got as one step gives it: [layers·rows, KV·D]. */
function stepOf(tokens: readonly Token[]): { keys: Float32Array; values: Float32Array } {
  const of = (at: typeof keyAt): Float32Array =>
    Float32Array.from({ length: layers * tokens.length * LINE }, (_, n) => {
      const i = n % LINE;
      const row = Math.floor(n / LINE) % tokens.length;
      return at(tokens[row]!, Math.floor(n / LINE / tokens.length), i);
    });
  return { keys: of(keyAt), values: of(valueAt) };
}

function expectRows(cache: KvCache, rows: readonly (readonly Token[])[]): void {
  const { width } = cache;
  const feeds = cache.feeds(rows.length);
  expect(feeds.mask!.dims).toEqual([rows.length, 1, 1, width]);
  expect(feeds.K0!.dims).toEqual([rows.length, kvHeads, headDim, width]);
  expect(feeds.V1!.dims).toEqual([rows.length, kvHeads, width, headDim]);
  const mask = floatsOf(feeds.mask);
  const said: number[] = [];
  const expected: number[] = [];
  rows.forEach((tokens, row) => {
    said.push(cache.lengths[row]!, ...mask.subarray(row * width, (row + 1) * width));
    expected.push(
      tokens.length,
      ...Array.from({ length: width }, (_, t) => (t < tokens.length ? 0 : MASKED)),
    );
    for (let layer = 0; layer < layers; layer++) {
      const [keys, values] = [floatsOf(feeds[`K${layer}`]), floatsOf(feeds[`V${layer}`])];
      tokens.forEach((token, t) => {
        for (let i = 0; i < LINE; i++) {
          const [head, d] = [Math.floor(i / headDim), i % headDim];
          said.push(keys[(row * LINE + i) * width + t]!);
          said.push(values[((row * kvHeads + head) * width + t) * headDim + d]!);
          expected.push(Math.fround(keyAt(token, layer, i)), Math.fround(valueAt(token, layer, i)));
        }
      });
      expect(keys.every(Number.isFinite) && values.every(Number.isFinite)).toBe(true);
    }
  });
  expect(said).toEqual(expected);
}

type Action =
  | { readonly kind: 'enter'; readonly head: number; readonly own: number; readonly pad: number }
  | { readonly kind: 'step'; readonly times: number }
  | { readonly kind: 'leave'; readonly row: number };
const actionArb: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('enter' as const),
    head: fc.nat(8),
    own: fc.integer({ min: 1, max: 12 }),
    pad: fc.nat(4),
  }),
  fc.record({ kind: fc.constant('step' as const), times: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('leave' as const), row: fc.nat(9) }),
);

describe('keys and values of the rows under way', () => {
  it('are those of a plain list of tokens, whoever enters, grows or leaves', () => {
    fc.assert(
      fc.property(
        fc.array(actionArb, { maxLength: 25 }),
        fc.integer({ min: 20, max: 200 }),
        (actions, most) => {
          const capacity = 4;
          const cache = createKvCache(SIZES, capacity, 20, most);
          const rows: Token[][] = [];
          let next = 1;
          const tokens = (count: number): Token[] => Array.from({ length: count }, () => next++);
          for (const action of actions) {
            if (action.kind === 'enter' && rows.length < capacity) {
              const [head, own] = [tokens(action.head), tokens(action.own)];
              const segments = [
                ...(head.length > 0 ? [segmentOf(head, 1, 0, head.length + action.pad)] : []),
                segmentOf(own, 3, action.pad % 3, own.length + action.pad),
              ];
              cache.write(rows.length, segments);
              rows.push([...head, ...own]);
            } else if (action.kind === 'step' && rows.length > 0) {
              for (let i = 0; i < action.times; i++) {
                const made = tokens(rows.length);
                const { keys, values } = stepOf(made);
                cache.append(keys, values, rows.length, rows.length);
                rows.forEach((row, at) => {
                  row.push(made[at]!);
                });
              }
            } else if (action.kind === 'leave' && rows.length > 0) {
              const at = action.row % rows.length;
              const last = rows.pop()!;
              if (at < rows.length) {
                cache.move(rows.length, at);
                rows[at] = last;
              }
            }
            if (rows.length > 0) expectRows(cache, rows);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('grow where the longest row is full, no further than rows were to grow unless they do; all keep their lines', () => {
    const cache = createKvCache(SIZES, 3, 10, 100);
    const rows: Token[][] = [[1, 2], [3], [4, 5, 6]];
    rows.forEach((row, i) => {
      cache.write(i, [segmentOf(row, 1, 0, 5)]);
    });
    const widths = new Set([cache.width]);
    for (let step = 0; step < 130; step++) {
      const made = rows.map((_, i) => 10 + 3 * step + i);
      const { keys, values } = stepOf(made);
      cache.append(keys, values, 3, 3);
      rows.forEach((row, i) => {
        row.push(made[i]!);
      });
      widths.add(cache.width);
      expectRows(cache, rows);
    }
    expect([...widths]).toEqual([15, 47, 79, 111, 127, 143]);
  });

  it('a row that takes the place of a longer one hides what that left', () => {
    const cache = createKvCache(SIZES, 1, 14, 14);
    cache.write(0, [segmentOf([1, 2, 3, 4, 5, 6, 7, 8, 9], 1, 0, 9)]);
    cache.write(0, [segmentOf([20, 21], 2, 1, 4)]);
    expectRows(cache, [[20, 21]]);
  });

  it('widths are one less than a multiple of 16 and hold the lines', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), (lines) => {
        const width = widthFor(lines);
        expect((width + 1) % WIDTH_STEP).toBe(0);
        expect(width).toBeGreaterThanOrEqual(lines);
        expect(width - lines).toBeLessThan(WIDTH_STEP);
      }),
    );
    expect(rowBytes(SIZES, 15)).toBe(2 * layers * LINE * 15 * 4);
  });
});

it('copyStrided — stretches go from their places to theirs, and nothing else is touched', () => {
  fc.assert(
    fc.property(
      fc.tuple(
        fc.nat(5),
        fc.nat(5),
        fc.oneof(fc.nat(4), fc.integer({ min: 120, max: 140 })),
        fc.nat(4),
        fc.nat(4),
        fc.nat(4),
      ),
      ([fromAt, toAt, size, count, fromGap, toGap]) => {
        const [fromStep, toStep] = [size + fromGap, size + toGap];
        const from = Float32Array.from({ length: fromAt + count * fromStep + size }, (_, i) => i + 1);
        const to = new Float32Array(toAt + count * toStep + size);
        const expected = [...to];
        for (let i = 0; i < count; i++)
          for (let j = 0; j < size; j++) expected[toAt + i * toStep + j] = from[fromAt + i * fromStep + j]!;
        copyStrided(from, fromAt, fromStep, to, toAt, toStep, count, size);
        expect([...to]).toEqual(expected);
      },
    ),
  );
});
