import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../../src/lm/architecture.js';
import { copyStrided, type Segment } from '../../../src/lm/onnx/kv-blocks.js';
import {
  createKvCache,
  type KvCache,
  lineBytes,
  MASKED,
  promptWidth,
  tailWidth,
  WIDTH_STEP,
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

interface Row {
  readonly prompt: readonly Token[];
  readonly tail: Token[];
}

/** What is fed says of each row: who sees whom, and every key and value in line. */
function expectRows(cache: KvCache, rows: readonly Row[], shared: boolean): void {
  const { prompt: width, tail } = cache.widths;
  const feeds = cache.feeds(rows.length);
  const prompts = shared ? feeds.slots!.dims[0]! : rows.length;
  const each = shared ? [1] : [];
  expect(feeds.mask!.dims).toEqual([rows.length, 1, 1, 1 + width + tail]);
  expect(feeds['prompt K0']!.dims).toEqual([prompts, ...each, kvHeads, headDim, width]);
  expect(feeds['prompt V1']!.dims).toEqual([prompts, ...each, kvHeads, width, headDim]);
  expect(feeds.K0!.dims).toEqual([rows.length, kvHeads, headDim, tail]);
  expect(feeds.V1!.dims).toEqual([rows.length, kvHeads, tail, headDim]);
  const places = shared ? (feeds.places!.data as BigInt64Array) : undefined;
  const mask = [...floatsOf(feeds.mask)];
  const said: number[] = [];
  const expected: number[] = [];
  const place = (tokens: readonly Token[], name: string, at: number, wide: number): void => {
    for (let layer = 0; layer < layers; layer++) {
      const keys = floatsOf(feeds[`${name}K${layer}`]);
      const values = floatsOf(feeds[`${name}V${layer}`]);
      tokens.forEach((token, t) => {
        for (let i = 0; i < LINE; i++) {
          const [head, d] = [Math.floor(i / headDim), i % headDim];
          said.push(keys[(at * LINE + i) * wide + t]!);
          said.push(values[((at * kvHeads + head) * wide + t) * headDim + d]!);
          expected.push(Math.fround(keyAt(token, layer, i)), Math.fround(valueAt(token, layer, i)));
        }
      });
      expect(keys.every(Number.isFinite) && values.every(Number.isFinite)).toBe(true);
    }
  };
  const seen = (count: number, of: number): number[] =>
    Array.from({ length: of }, (_, t) => (t < count ? 0 : MASKED));
  rows.forEach((row, at) => {
    said.push(cache.lengths[at]!, ...mask.slice(at * (1 + width + tail), (at + 1) * (1 + width + tail)));
    expected.push(row.prompt.length + row.tail.length, 0);
    expected.push(...seen(row.prompt.length, width), ...seen(row.tail.length, tail));
    place(row.prompt, 'prompt ', places === undefined ? at : Number(places[2 * at]), width);
    place(row.tail, '', at, tail);
  });
  expect(said).toEqual(expected);
  if (!shared) return;
  const [, seats] = feeds.slots!.dims as [number, number];
  const slots = feeds.slots!.data as BigInt64Array;
  const seatOf = (at: number): number => Number(places![2 * at]) * seats + Number(places![2 * at + 1]);
  rows.forEach((_, at) => {
    expect(slots[seatOf(at)]).toBe(BigInt(at));
  });
  expect(new Set(rows.map((_, at) => seatOf(at))).size).toBe(rows.length);
}

type Action =
  | {
      readonly kind: 'enter';
      readonly head: number;
      readonly own: number;
      readonly pad: number;
      readonly rows: number;
    }
  | { readonly kind: 'step'; readonly times: number }
  | { readonly kind: 'leave'; readonly row: number };
const actionArb: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('enter' as const),
    head: fc.nat(8),
    own: fc.integer({ min: 1, max: 12 }),
    pad: fc.nat(4),
    rows: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant('step' as const), times: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('leave' as const), row: fc.nat(9) }),
);

function step(cache: KvCache, rows: readonly Row[], made: readonly Token[]): void {
  const { keys, values } = stepOf(made);
  cache.append(keys, values, rows.length);
  rows.forEach(({ tail }, at) => {
    tail.push(made[at]!);
  });
}

describe('keys and values of the rows under way', () => {
  it('are those of a plain list of tokens, whoever enters, grows or leaves, and whoever shares a prompt', () => {
    fc.assert(
      fc.property(fc.array(actionArb, { maxLength: 25 }), fc.boolean(), (actions, shared) => {
        const capacity = 6;
        const cache = createKvCache(SIZES, {
          rows: capacity,
          prompts: capacity,
          lines: 20,
          fresh: 600,
          shared,
        });
        const rows: Row[] = [];
        let next = 1;
        const tokens = (count: number): Token[] => Array.from({ length: count }, () => next++);
        for (const action of actions) {
          if (action.kind === 'enter' && rows.length < capacity) {
            const [head, own] = [tokens(action.head), tokens(action.own)];
            cache.open([
              ...(head.length > 0 ? [segmentOf(head, 1, 0, head.length + action.pad)] : []),
              segmentOf(own, 3, action.pad % 3, own.length + action.pad),
            ]);
            const count = shared ? Math.min(action.rows, capacity - rows.length) : 1;
            for (let i = 0; i < count; i++) {
              cache.add();
              rows.push({ prompt: [...head, ...own], tail: [] });
            }
          } else if (action.kind === 'step' && rows.length > 0) {
            for (let i = 0; i < action.times; i++) step(cache, rows, tokens(rows.length));
          } else if (action.kind === 'leave' && rows.length > 0) {
            const at = action.row % rows.length;
            cache.remove(at);
            const last = rows.pop()!;
            if (at < rows.length) rows[at] = last;
          }
          if (rows.length > 0) expectRows(cache, rows, shared);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('grow where the longest tail is full; all keep their lines', () => {
    const cache = createKvCache(SIZES, { rows: 3, prompts: 3, lines: 10, fresh: 70, shared: false });
    const rows: Row[] = [[1, 2], [3], [4, 5, 6]].map((prompt) => ({ prompt, tail: [] }));
    for (const { prompt } of rows) {
      cache.open([segmentOf(prompt, 1, 0, 5)]);
      cache.add();
    }
    const widths = new Set([cache.widths.tail]);
    for (let at = 0; at < 64; at++) {
      step(
        cache,
        rows,
        rows.map((_, i) => 10 + 3 * at + i),
      );
      widths.add(cache.widths.tail);
      expectRows(cache, rows, false);
    }
    expect([...widths]).toEqual([15, 31, 47, 63, 79]);
    expect(cache.widths.prompt).toBe(16);
  });

  it('a prompt that takes the place of a longer one hides what that left', () => {
    const cache = createKvCache(SIZES, { rows: 1, prompts: 1, lines: 14, fresh: 20, shared: true });
    cache.open([segmentOf([1, 2, 3, 4, 5, 6, 7, 8, 9], 1, 0, 9)]);
    cache.add();
    step(cache, [{ prompt: [], tail: [] }], [10]);
    cache.remove(0);
    cache.open([segmentOf([20, 21], 2, 1, 4)]);
    cache.add();
    expectRows(cache, [{ prompt: [20, 21], tail: [] }], true);
  });

  it('widths are multiples of 16 with the line itself beside the tail, and hold the lines', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), (lines) => {
        expect(promptWidth(lines) % WIDTH_STEP).toBe(0);
        expect((tailWidth(lines) + 1) % WIDTH_STEP).toBe(0);
        for (const width of [promptWidth(lines), tailWidth(lines)]) {
          expect(width).toBeGreaterThanOrEqual(lines);
          expect(width - lines).toBeLessThan(WIDTH_STEP);
        }
      }),
    );
    expect(lineBytes(SIZES, 15)).toBe(2 * layers * LINE * 15 * 4);
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
