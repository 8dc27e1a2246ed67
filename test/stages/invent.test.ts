import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PromptFormat } from '../../src/protocol/records.js';
import { inventionKeywords, plainFormat } from '../../src/protocol/templates.js';
import { keyOf } from '../../src/rng.js';
import {
  chooseShots,
  cleanPrompt,
  inventionPrompt,
  type KnownPrompts,
  refusalOf,
} from '../../src/stages/invent.js';
import { createPromptIndex } from '../../src/stages/similarity.js';

const rules = { minWords: 2, maxWords: 8, keywords: ['image', 'go to'], similarity: 0.7 };
const known = (pool: readonly string[], heldOut: readonly string[] = []): KnownPrompts => ({
  pool: createPromptIndex(pool),
  heldOut: createPromptIndex(heldOut),
});
const seed = Array.from({ length: 30 }, (_, i) => `seed ${i}`);
const made = Array.from({ length: 10 }, (_, i) => `made ${i}`);
const counts = { seedShots: 6, madeShots: 2 };
const countOf = (shots: readonly string[], start: string) =>
  shots.filter((shot) => shot.startsWith(start)).length;

describe('few-shot choice', () => {
  it('takes six seed prompts and two model-made ones, all different', () => {
    const shots = chooseShots(seed, made, counts, keyOf(1, 'test.shots', 0));
    expect([countOf(shots, 'seed'), countOf(shots, 'made'), new Set(shots).size]).toEqual([6, 2, 8]);
  });

  it('fills up with seed prompts while there are too few model-made ones', () => {
    const shots = chooseShots(seed, made.slice(0, 1), counts, keyOf(1, 'test.shots', 0));
    expect([countOf(shots, 'seed'), countOf(shots, 'made')]).toEqual([7, 1]);
    expect(chooseShots(seed.slice(0, 3), [], counts, keyOf(1, 'test.shots', 0))).toHaveLength(3);
  });

  it('bug: unseeded order — the same key gives the same shots, another ask gives others', () => {
    const at = (ask: number) => chooseShots(seed, made, counts, keyOf(1, 'test.shots', ask));
    expect(at(0)).toEqual(at(0));
    expect(at(0)).not.toEqual(at(1));
  });

  it('bug: configured counts never reach the code — any n and m are honoured', () => {
    fc.assert(
      fc.property(fc.nat(8), fc.nat(8), fc.nat(), (seedShots, madeShots, ask) => {
        const shots = chooseShots(seed, made, { seedShots, madeShots }, keyOf(1, 'test.shots', ask));
        expect([countOf(shots, 'seed'), countOf(shots, 'made')]).toEqual([seedShots, madeShots]);
      }),
    );
  });
});

describe('invention prompt and cleaning', () => {
  it('shows each shot on a line and ends where the new one starts', () => {
    expect(inventionPrompt(plainFormat, ['Name a\n\ncat.', 'Say {{prompt}}.'])).toBe(
      'A list of varied instructions that people give to an AI assistant.\n\nInstruction: Name a cat.\nInstruction: Say {{prompt}}.\nInstruction:',
    );
  });

  it.each([
    [' Name a cat.\nInstruction: Name a dog.\n', 'Name a cat.'],
    ['\n  Name   a\tcat.', 'Name a cat.'],
    ['3. Name a cat.', 'Name a cat.'],
    ['- Name a well-known cat.', 'Name a well-known cat.'],
    ['"Name a cat."', 'Name a cat.'],
    ['"Yes" or "no"?', '"Yes" or "no"?'],
    ['', ''],
    [' \n ', ''],
  ])('%j is the prompt %j', (completion, prompt) => {
    expect(cleanPrompt(completion, plainFormat)).toBe(prompt);
  });

  it('a format without lines is cut at its own marks', () => {
    const format: PromptFormat = {
      ...plainFormat,
      invent: { header: '', item: '<prompt> {{prompt}} ', tail: '<prompt>' },
    };
    expect(inventionPrompt(format, ['add one', 'sort'])).toBe('<prompt> add one <prompt> sort <prompt>');
    expect(cleanPrompt(' add two <prompt> sort', format)).toBe('add two');
  });

  it('cleaning twice changes nothing more on plain words', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('name', 'a', 'cat.', '\n', ' '), { maxLength: 8 }), (parts) => {
        const once = cleanPrompt(parts.join(' '), plainFormat);
        expect(cleanPrompt(once, plainFormat)).toBe(once);
      }),
    );
  });
});

describe('filters', () => {
  const all = known(['Name three big cats', 'What is 3 + 4?'], ['Name four birds.']);

  it.each([
    ['', 'empty'],
    ['  ', 'empty'],
    ['?!', 'too-short'],
    ['Sort', 'too-short'],
    ['one two three four five six seven eight nine', 'too-long'],
    ['Describe this image', 'keyword'],
    ['Please GO  TO it', 'keyword'],
    ['Name three big cats', 'duplicate'],
    ['name  three "big" cats!', 'duplicate'],
    ['name four birds', 'held-out'],
    ['Name three big dogs', 'similar'],
  ])('%j is refused: %s', (prompt, reason) => {
    expect(refusalOf(prompt, rules, all)?.reason).toBe(reason);
  });

  it.each(['Describe your imagery', 'Count to ten', 'What is 3 - 5 * 2?'])('%j is new', (prompt) => {
    expect(refusalOf(prompt, rules, all)).toBeNull();
  });

  it('an earlier filter speaks first', () => {
    const pool = known(['image'], ['image']);
    expect(refusalOf('image', rules, pool)?.reason).toBe('too-short');
    expect(refusalOf('image', { ...rules, minWords: 1 }, pool)?.reason).toBe('keyword');
    expect(refusalOf('image', { ...rules, minWords: 1, keywords: [] }, pool)?.reason).toBe('duplicate');
  });

  it('says what a refusal rests on', () => {
    expect(refusalOf('Name three big dogs', rules, all)).toEqual({
      reason: 'similar',
      detail: '0.750 Name three big cats', // 2·3 / (4 + 4)
    });
    expect(refusalOf('Show an image', rules, all)).toEqual({ reason: 'keyword', detail: 'image' });
  });

  it('a prompt that joined the pool is known to the next one', () => {
    const pool = known(['Name three big cats']);
    expect(refusalOf('Count to ten', rules, pool)).toBeNull();
    pool.pool.add('Count to ten');
    expect(refusalOf('Count to ten!', rules, pool)).toEqual({ reason: 'duplicate', detail: 'Count to ten' });
  });

  it('the shipped keywords are in normal form', () => {
    for (const keyword of inventionKeywords)
      expect(
        refusalOf(`please ${keyword} now`, { ...rules, keywords: inventionKeywords }, known([]))?.detail,
      ).toBe(keyword);
  });
});
