import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { padded, planPrefill } from '../../../src/lm/onnx/prefill-plan.js';

/** Prompts that share beginnings of many lengths, and prompts that don't. */
const promptsArb = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.nat(60), fc.array(fc.nat(3), { maxLength: 80 }), fc.nat(9))
    .map(([family, shared, own, last]) => [
      ...Array.from({ length: family === 0 ? 0 : shared }, (_, i) => family * 100 + i),
      ...own,
      last,
    ]),
  { maxLength: 60 },
);

describe('plan of a prefill', () => {
  it('takes every prompt exactly once', () => {
    fc.assert(
      fc.property(promptsArb, (prompts) => {
        const order = planPrefill(prompts).flatMap((batch) => batch.prompts);
        expect(order.sort((a, b) => a - b)).toEqual(prompts.map((_, i) => i));
      }),
    );
  });

  it('a head is what all prompts of its batch begin with, and leaves something of each', () => {
    fc.assert(
      fc.property(promptsArb, (prompts) => {
        for (const { head, prompts: places } of planPrefill(prompts))
          for (const place of places) {
            expect(prompts[place]!.slice(0, head.length)).toEqual(head);
            expect(prompts[place]!.length).toBeGreaterThan(head.length);
          }
      }),
    );
  });

  it('head and lines make a multiple of 16 that holds every prompt, padded by a quarter at most beside the longest', () => {
    fc.assert(
      fc.property(promptsArb, (prompts) => {
        for (const { head, prompts: places, lines } of planPrefill(prompts)) {
          expect((head.length + lines) % 16).toBe(0);
          const own = places.map((place) => prompts[place]!.length - head.length);
          for (const length of own) {
            expect(length).toBeLessThanOrEqual(lines);
            expect(padded(head.length, length)).toBeGreaterThanOrEqual(0.75 * lines);
          }
          expect(lines - Math.max(...own)).toBeLessThan(16);
          if (places.length > 1) expect(places.length * lines).toBeLessThanOrEqual(4096);
        }
      }),
    );
  });

  it('prompts with the same 17 tokens in front share them; with 15 they do not', () => {
    const start = Array.from({ length: 17 }, (_, i) => i);
    expect(
      planPrefill([
        [...start, 50],
        [...start, 51, 52],
      ]),
    ).toEqual([{ head: start, prompts: [1, 0], lines: 15 }]);
    const shorter = start.slice(0, 15);
    expect(
      planPrefill([
        [...shorter, 50, 1],
        [...shorter, 51, 52],
      ])[0]!.head,
    ).toEqual([]);
  });

  it('a prompt that another begins with keeps its own last token out of the head', () => {
    const start = Array.from({ length: 20 }, (_, i) => i);
    const [batch] = planPrefill([start, [...start, 1, 2]]);
    expect(batch!.head).toEqual(start.slice(0, 19));
  });

  it('there is nothing to do for no prompt', () => {
    expect(planPrefill([])).toEqual([]);
  });
});
