import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, rngOf } from '../../../src/rng.js';
import { fill, match, taskOf } from '../../../src/worlds/microworld/families/family.js';
import { drawTask, FAMILIES, parseTask, rightCore } from '../../../src/worlds/microworld/tasks.js';
import { TOKENS } from '../../../src/worlds/microworld/vocabulary.js';
import { anyRng, anyTask } from './arbitraries.js';

describe('microworld tasks', () => {
  it('every drawn prompt parses back to the very task it was drawn as', () => {
    fc.assert(
      fc.property(anyTask, (task) => {
        expect(parseTask(task.prompt)).toEqual(task);
      }),
    );
  });

  it('no prompt is read by two families', () => {
    fc.assert(
      fc.property(anyTask, ({ prompt, family }) => {
        expect(FAMILIES.filter((f) => taskOf(f, prompt)).map((f) => f.name)).toEqual([family]);
      }),
    );
  });

  it('every family is drawn, and none has the name of another', () => {
    const names = new Set(FAMILIES.map((f) => f.name));
    expect(names.size).toBe(FAMILIES.length);
    const drawn = Array.from({ length: 2000 }, (_, i) => drawTask(rngOf(keyOf(i, 'families'))).family);
    expect(new Set(drawn)).toEqual(names);
  });

  it('what fills a pattern is what matches it', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FAMILIES), anyRng, ({ pattern, draw }, rng) => {
        const slots = draw(rng);
        expect(match(pattern, fill(pattern, slots).split(' '))).toEqual(slots);
      }),
    );
  });

  it('a right core is made of the words of its domain, and all words are tokens', () => {
    fc.assert(
      fc.property(anyTask, anyRng, (task, rng) => {
        const core = rightCore(rng, task.answer);
        expect(core.length).toBeGreaterThan(0);
        expect(core.filter((word) => !task.domain.includes(word))).toEqual([]);
        expect([...task.domain, ...task.prompt.split(' ')].filter((word) => !TOKENS.includes(word))).toEqual(
          [],
        );
      }),
    );
  });

  it.each([
    ['what is the opposite of happy ?', ['sad']],
    ['reverse the words : cat owl cake', ['cake', 'owl', 'cat']],
    ['sort : nine two five', ['two', 'five', 'nine']],
    ['take three from eight', ['five']],
    ['multiply three by four', ['twelve']],
    ['largest of : two twelve nine', ['twelve']],
    ['smallest of : ten three', ['three']],
    ['what comes before ten ?', ['nine']],
    ['is two bigger than nine ?', ['no']],
    ['is seven odd or even ?', ['odd']],
    ['odd one out : cat cake cow', ['cake']],
    ['is cat a kind of food ?', ['no']],
    ['paint the farm red', ['red', 'farm']],
    ['leave cat out of : cat dog hen', ['dog', 'hen']],
    ['say hill two times', ['hill', 'hill']],
    ['what does the duck say ?', ['quack']],
    ['second word of : soup rope hen', ['rope']],
    ['how many words : soup rope hen', ['three']],
  ])('%s', (prompt, words) => {
    expect(parseTask(prompt)?.answer).toEqual({ kind: 'exact', words });
  });

  it.each([
    '',
    'hello',
    'name nine animals',
    'name two',
    'what is the opposite of cat ?',
    'take nine from two',
    'multiply nine by nine',
    'what comes before zero ?',
    'odd one out : cat dog red blue',
    'odd one out : cat dog hen',
    'reverse the words : two three',
    'leave cat out of : dog hen pig',
    'sort : two',
    'what colour is constructor ?',
    'name two constructor',
  ])('"%s" is no task', (prompt) => {
    expect(parseTask(prompt)).toBeNull();
  });

  it('white space around and between the words of a prompt does not matter', () => {
    expect(parseTask('  add  two   and two ')?.answer).toEqual({ kind: 'exact', words: ['four'] });
  });
});
