import { describe, expect, it } from 'vitest';
import { createMicroworld } from '../../../src/worlds/microworld/index.js';

const SMALL = { ift: 200, eft: 200 };
const seedOf = (seed: number) => createMicroworld({ seed, ...SMALL }).seed();
const first = await seedOf(1);
const second = await seedOf(2);
const { truth } = createMicroworld({ seed: 1 });
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe('microworld seed data', () => {
  it('has as many rows as it says by default', async () => {
    const data = await createMicroworld({ seed: 7 }).seed();
    const sizes = [data.ift, data.eft, data.heldOut, data.probes, data.ranked].map((rows) => rows.length);
    expect(sizes).toEqual([800, 600, 300, 150, 0]);
    expect(data.probes.every(({ responses }) => responses.length === 4)).toBe(true);
  });

  it('is the same for the same seed', async () => {
    expect(await seedOf(1)).toEqual(first);
  });

  it('draws other demonstrations and judgements for another seed', () => {
    expect(second.ift).not.toEqual(first.ift);
    expect(second.eft).not.toEqual(first.eft);
  });

  it('keeps held-out prompts and probes the same for every seed', () => {
    expect(second.heldOut).toEqual(first.heldOut);
    expect(second.probes).toEqual(first.probes);
  });

  it('asks no held-out prompt in IFT or EFT', () => {
    const heldOut = new Set([...first.heldOut, ...first.probes].map(({ prompt }) => prompt));
    expect(heldOut.size).toBe(first.heldOut.length);
    expect([...first.ift, ...first.eft].filter(({ prompt }) => heldOut.has(prompt))).toEqual([]);
  });

  it('grows by rows at the end: the first rows do not depend on how many follow', async () => {
    const { ift, eft } = await createMicroworld({ seed: 1, ift: 50, eft: 20 }).seed();
    expect(ift).toEqual(first.ift.slice(0, 50));
    expect(eft).toEqual(first.eft.slice(0, 20));
  });

  it('scores its own judgements and probes rightly', () => {
    for (const { prompt, response, score, justification } of first.eft) {
      const true_ = truth!(prompt, response)!;
      expect(true_.score).toBe(score);
      const verdicts = Object.entries(true_.criteria).map(
        ([criterion, holds]) => `${criterion} ${holds ? 'yes' : 'no'}`,
      );
      expect(justification.endsWith(` ${verdicts.join(' ')}`)).toBe(true);
    }
    for (const { prompt, responses } of first.probes) {
      expect(responses.map(({ text }) => truth!(prompt, text)!.score)).toEqual(responses.map((r) => r.value));
    }
  });

  it('has imperfect demonstrators: better ones write better demonstrations', async () => {
    const scores = async (quality: number) => {
      const world = createMicroworld({ seed: 1, ...SMALL, demonstrators: { quality, pleasing: 0 } });
      return (await world.seed()).ift.map((row) => truth!(row.prompt, row.response)!.score);
    };
    expect(mean(await scores(0.2))).toBeLessThan(mean(await scores(0.6)));
    expect(await scores(1)).toEqual(new Array(SMALL.ift).fill(5));
    expect(mean(first.ift.map((row) => truth!(row.prompt, row.response)!.score))).toBeLessThan(4);
  });

  it('gives no truth for a prompt that asks for nothing it knows', () => {
    expect(truth!('add cat and two', 'four')).toBeNull();
  });
});
