/** The pure parts of the benchmark: arithmetic that figures rest on. Nothing here is timed. */
import { describe, expect, it } from 'vitest';
import { forwardFlops, samplingFlops, trainingFlops } from '../../bench/flops.js';
import { loopFlops } from '../../bench/peers/cases.js';
import { largestDifference } from '../../bench/peers/parity.js';
import { quietLine, shareOfOthers } from '../../bench/peers/quiet.js';
import { measureCase, tableOfCases } from '../../bench/peers/rounds.js';
import { median, ratios } from '../../bench/report.js';
import { peakedWeights, RANDOM_SIZES } from '../../bench/sizes.js';
import { LOOP, trainingBatches } from '../../bench/workload.js';
import { type Architecture, sizeOf } from '../../src/lm/architecture.js';

/** 2 layers of width 4, 2 heads of 2 with 1 key-value head, MLP of 3, vocabulary of 5. */
const tiny: Architecture = {
  ...RANDOM_SIZES.S,
  vocabSize: 5,
  hiddenSize: 4,
  intermediateSize: 3,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 2,
};

describe('model FLOPs', () => {
  // By hand: a layer's weights are q 4·4, k and v 2·4 each, o 4·4, gate, up and down 3·4 each = 84; both layers 168.
  const token = 2 * 168;
  const head = 2 * 5 * 4;
  const seen = 4 * 2 * 2 * 2; // one token seen: 4 · heads · headDim · layers

  it('a forward pass equals the hand count', () => {
    expect(forwardFlops(tiny, 1, 0)).toBe(token + seen);
    expect(forwardFlops(tiny, 3, 1)).toBe(3 * token + (1 + 2 + 3) * seen + head);
    expect(forwardFlops(tiny, 2, 2, 10)).toBe(2 * token + (11 + 12) * seen + 2 * head);
  });

  it('sampling counts the prompt once and the last token through no block', () => {
    const prefill = 3 * token + 6 * seen + head;
    const next = token + 4 * seen + head;
    expect(samplingFlops(tiny, 3, 1, 1)).toBe(prefill);
    expect(samplingFlops(tiny, 3, 1, 2)).toBe(prefill + next);
    expect(samplingFlops(tiny, 3, 4, 2)).toBe(prefill + 4 * next);
  });

  it('training is three forward passes, its head where targets are', () => {
    expect(trainingFlops(tiny, 2, 4, 2)).toBe(3 * 2 * (3 * token + 6 * seen + 2 * head));
  });

  it('the loop is its two samplings', () => {
    const { prompts, candidates, samples, template, prompt, answer, judgement } = LOOP;
    const judged = samplingFlops(tiny, template + prompt + answer, samples, judgement);
    expect(loopFlops(tiny)).toBe(
      prompts * (samplingFlops(tiny, prompt, candidates, answer) + candidates * judged),
    );
  });
});

describe('figures', () => {
  it('the median of an even number is between the two in the middle', () => {
    expect(median([5])).toBe(5);
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 9])).toBe(3.5);
  });

  it('a ratio above 1 says that ours is better, for rates and for times', () => {
    expect(ratios([10, 30], [5, 10], 'more')).toEqual([2, 3]);
    expect(ratios([10, 30], [20, 15], 'less')).toEqual([2, 0.5]);
  });

  it('rounds are interleaved after a warm-up that counts for nothing', async () => {
    const said: string[] = [];
    const entrant = (name: string, figures: number[]) => ({
      name,
      once: async () => {
        said.push(name);
        return figures.shift()!;
      },
    });
    const entrants = [entrant('a', [99, 10, 20]), entrant('b', [99, 5, 5])];
    const one = {
      name: 'case',
      unit: 't/s',
      better: 'more',
      digits: 0,
      warmUp: true,
      gflops: (x: number) => x,
    } as const;
    const watch = { shares: [], watched: <T>(work: () => Promise<T>) => work() };
    const measured = await measureCase({ ...one, entrants }, { rounds: 2, peak: 60, watch });
    expect(said.join('')).toBe('ababab');
    expect(measured.figures.map(({ values }) => values)).toEqual([
      [10, 20],
      [5, 5],
    ]);
    expect(measured.figures[1]!.ratios).toEqual([2, 4]);
    expect(measured.figures[0]!.utilisation).toBeCloseTo(0.25);
    expect(tableOfCases([measured])).toContain('×3.00');
  });

  it('what is not a number, or of another length, is different', () => {
    expect(largestDifference([1, 2], [1, 2.5])).toBe(0.5);
    expect(largestDifference([1, Number.NaN], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(largestDifference([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  });

  it('what others computed meanwhile is told', () => {
    const before = { busy: 10, total: 100, own: 4 };
    expect(shareOfOthers(before, { busy: 14, total: 104, own: 7 })).toBeCloseTo(0.25);
    expect(shareOfOthers(before, { busy: 13, total: 104, own: 7.5 })).toBe(0);
    expect(quietLine([0.01, 0.02])).toMatch(/^quiet machine/);
    expect(quietLine([0.01, 0.5])).toMatch(/^DISTURBED: during 1 of 2/);
  });
});

describe('what contestants are given', () => {
  it('chosen and rejected share a prompt and nothing else', () => {
    const [[chosen, rejected]] = trainingBatches('dpo', 1, 2048) as [[number[][], number[][]]];
    expect(chosen[3]!.slice(0, 64)).toEqual(rejected[3]!.slice(0, 64));
    expect(chosen[3]!.slice(64)).not.toEqual(rejected[3]!.slice(64));
  });

  it('S and M are of the sizes that the issue names', () => {
    expect(sizeOf(RANDOM_SIZES.S) / 1e6).toBeCloseTo(2.16, 1);
    expect(sizeOf(RANDOM_SIZES.M) / 1e6).toBeCloseTo(29.9, 0);
  });

  it('random weights are peaked: linear ones spread 0.04, the last norm around 8', () => {
    const { data, architecture } = peakedWeights({ ...tiny, hiddenSize: 64, headDim: 32 }, 1);
    const query = data.subarray(5 * 64 + 64, 5 * 64 + 64 + 64 * 64);
    const spread = Math.sqrt(query.reduce((sum, x) => sum + x * x, 0) / query.length);
    expect(spread).toBeCloseTo(0.04, 2);
    const last = data.subarray(data.length - architecture.hiddenSize);
    expect(median([...last])).toBeGreaterThan(7);
  });
});
