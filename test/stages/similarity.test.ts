import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, rngOf } from '../../src/rng.js';
import { createPromptIndex, normalForm, similarity } from '../../src/stages/similarity.js';

const word = fc.constantFrom('name', 'three', 'two', 'cats', 'dogs', 'the', 'of', 'sort', ':', '+', 'a');
const prompt = fc.array(word, { maxLength: 9 }).map((words) => words.join(' '));

/** The definition: the library on every pair, the earliest of the best. */
function nearestByDefinition(known: readonly string[], text: string, threshold: number) {
  let best: { prompt: string; score: number } | undefined;
  for (const one of known) {
    const score = similarity(normalForm(text), normalForm(one));
    if (score + 1e-9 >= threshold && (!best || score > best.score)) best = { prompt: one, score };
  }
  return best;
}

describe('ROUGE-L F1', () => {
  it.each([
    // LCS by hand; F1 = 2·LCS / (|a| + |b|)
    ['police killed the gunman', 'police kill the gunman', 0.75], // 2·3/8
    ['a b c d', 'd c b a', 0.25], // 2·1/8
    ['the cat sat', 'the cat sat on the mat', 2 / 3], // 2·3/9
    ['a a a', 'a', 0.5], // 2·1/4
    ['a b', 'c d', 0],
    ['', 'a', 0],
    ['name three cats', 'name three cats', 1],
  ])('%j and %j: %d', (a, b, f1) => {
    expect(similarity(a, b)).toBeCloseTo(f1, 12);
    expect(similarity(b, a)).toBeCloseTo(f1, 12);
  });

  it('sentence marks, quotes and case are no words; symbols and digits are', () => {
    expect(normalForm(' What is "3 + 4"?  ')).toBe('what is 3 + 4');
    expect(normalForm('Ça va, Élan… l’été')).toBe('ça va élan l été');
  });
});

describe('nearest known prompt', () => {
  it('the pruned answer is the unpruned one', () => {
    fc.assert(
      fc.property(
        fc.array(prompt, { maxLength: 25 }),
        prompt,
        fc.constantFrom(0.1, 0.3, 0.5, 2 / 3, 0.7, 0.75, 0.8, 1),
        (known, text, threshold) => {
          expect(createPromptIndex(known).nearest(text, threshold)).toEqual(
            nearestByDefinition(known, text, threshold),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('at the threshold is similar, below it is not', () => {
    const index = createPromptIndex(['a b c d e f g x y z']);
    expect(index.nearest('a b c d e f g u v w', 0.7)?.score).toBeCloseTo(0.7, 12); // 2·7/20
    expect(index.nearest('a b c d e f t u v w', 0.7)).toBeUndefined();
  });

  it('the earliest of equals is named', () => {
    const index = createPromptIndex(['sort two cats', 'sort two dogs']);
    expect(index.nearest('sort two foxes', 0.5)?.prompt).toBe('sort two cats');
  });

  it('what is added is found', () => {
    const index = createPromptIndex();
    expect(index.nearest('sort cats', 0.5)).toBeUndefined();
    index.add('Sort cats.');
    expect([index.size, index.same('sort CATS'), index.nearest('sort cats', 1)?.score]).toEqual([
      1,
      'Sort cats.',
      1,
    ]);
  });

  it('1,000 new prompts against a pool of 3,000 take seconds, not minutes', () => {
    const rng = rngOf(keyOf(1, 'test.pool'));
    const words = Array.from({ length: 140 }, (_, i) => `w${i}`);
    const starts = [
      'name three',
      'what is the opposite of',
      'reverse the words',
      'how many words in',
      'sort',
    ];
    const make = () => [rng.pick(starts), ...rng.take(words, 2 + rng.below(4))].join(' ');
    const index = createPromptIndex(Array.from({ length: 3000 }, make));
    const started = performance.now();
    for (let i = 0; i < 1000; i++) index.nearest(make(), 0.7);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
