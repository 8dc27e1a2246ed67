import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const shared = here('../../../shared/data/');

/** Python's tokenizers said so: fixtures/tokenizer/make.py. */
const golden = JSON.parse(readFileSync(here('../fixtures/tokenizer/golden.json'), 'utf8')) as Record<
  string,
  { vocabSize: number; texts: { text: string; ids: number[]; withSpecials: number[]; decoded: string }[] }
>;

const NONE = { bosId: undefined, eosIds: [] };
const words = (more: object = {}) =>
  JSON.stringify({
    added_tokens: [
      { id: 0, content: '<s>', special: true },
      { id: 1, content: '</s>', special: true },
    ],
    model: { type: 'WordLevel', unk_token: '?', vocab: { '<s>': 0, '</s>': 1, '?': 2, cat: 3, dog: 4 } },
    pre_tokenizer: { type: 'Whitespace' },
    ...more,
  });
const bosFirst = {
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  },
};

describe('tokenizer', () => {
  for (const [name, { vocabSize, texts }] of Object.entries(golden)) {
    describe.skipIf(!existsSync(shared + name))(`${name} (skipped where ../shared/data is absent)`, () => {
      const stories = name.startsWith('stories');
      const make = () =>
        tokenizerOf(
          { json: readFileSync(shared + name, 'utf8'), config: null },
          { bosId: stories ? 1 : undefined, eosIds: [2] },
        );
      it('has as many tokens as in Python', () => expect(make().vocabSize).toBe(vocabSize));
      it.each(texts)('encodes and decodes $text as Python does', ({ text, ids, decoded, withSpecials }) => {
        const tokenizer = make();
        expect(tokenizer.encode(text)).toEqual(ids);
        expect(tokenizer.decode(ids)).toBe(decoded);
        // A text that brings its own BOS gets no second one.
        expect(tokenizer.encodePrompt(text)).toEqual(stories && ids[0] === 1 ? ids : withSpecials);
      });
    });
  }

  it('encode adds nothing, encodePrompt adds BOS where the post-processor puts it first', () => {
    const tokenizer = tokenizerOf({ json: words(bosFirst), config: null }, { bosId: 0, eosIds: [1] });
    expect(tokenizer.encode('cat dog')).toEqual([3, 4]);
    expect(tokenizer.encodePrompt('cat dog')).toEqual([0, 3, 4]);
    expect(tokenizer.encodePrompt('<s>cat')).toEqual([0, 3]);
    const plain = tokenizerOf({ json: words(), config: null }, { bosId: 0, eosIds: [1] });
    expect(plain.encodePrompt('cat')).toEqual([3]);
  });

  it('add_bos_token in tokenizer_config.json overrules the post-processor', () => {
    const make = (json: string, add: boolean) =>
      tokenizerOf({ json, config: JSON.stringify({ bos_token: '<s>', add_bos_token: add }) }, NONE);
    expect(make(words(), true).encodePrompt('cat')).toEqual([0, 3]);
    expect(make(words(bosFirst), false).encodePrompt('cat')).toEqual([3]);
  });

  it('BOS and EOS come from generation_config, else from tokenizer_config', () => {
    const config = JSON.stringify({ bos_token: { content: '<s>' }, eos_token: '</s>' });
    expect(tokenizerOf({ json: words(), config }, NONE)).toMatchObject({ bosId: 0, eosIds: [1] });
    expect(tokenizerOf({ json: words(), config }, { bosId: 3, eosIds: [1, 4] })).toMatchObject({
      bosId: 3,
      eosIds: [1, 4],
    });
  });

  it('a token text has an id, other text has none', () => {
    const tokenizer = tokenizerOf({ json: words(), config: null }, NONE);
    expect(tokenizer.tokenId('dog')).toBe(4);
    expect(tokenizer.tokenId('do')).toBeUndefined();
    expect(tokenizer.vocabSize).toBe(5);
  });

  it('an unknown word of a WordLevel model is its <unk>', () => {
    expect(tokenizerOf({ json: words(), config: null }, NONE).encode('cat bird dog')).toEqual([3, 2, 4]);
  });

  it('ids without a token have no text; special tokens show', () => {
    const tokenizer = tokenizerOf({ json: words(), config: null }, NONE);
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([999])).toBe('');
    expect(tokenizer.decode([3, 999, 1])).toBe('cat </s>');
  });

  it.each<[string, string]>([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['no model', '{"added_tokens": []}'],
    ['a model without a vocabulary', '{"model": {"type": "BPE", "merges": []}}'],
    ['ids that are no numbers', '{"model": {"type": "WordLevel", "vocab": {"a": "b"}}}'],
    ['an unknown kind of model', words({ model: { type: 'Magic', vocab: { a: 0 } } })],
    ['an unknown pre-tokenizer', words({ pre_tokenizer: { type: 'Nope' } })],
    ['an unknown decoder', words({ decoder: { type: 'Nope' } })],
  ])('%s is tokenizer.invalid', (_, json) => {
    expect(() => tokenizerOf({ json, config: null }, NONE)).toThrow(
      expect.objectContaining({ code: 'tokenizer.invalid' }),
    );
  });

  it('a bad tokenizer_config.json is tokenizer.invalid', () => {
    expect(() => tokenizerOf({ json: words(), config: '{"bos_token": 3}' }, NONE)).toThrow(
      expect.objectContaining({ code: 'tokenizer.invalid' }),
    );
  });

  it('a cut or changed tokenizer.json is tokenizer.invalid or a tokenizer', () => {
    const whole = words(bosFirst);
    const damage = fc.record({
      at: fc.nat(whole.length - 1),
      byte: fc.integer({ min: 32, max: 126 }),
      cut: fc.boolean(),
    });
    fc.assert(
      fc.property(damage, ({ at, byte, cut }) => {
        const json = cut
          ? whole.slice(0, at)
          : whole.slice(0, at) + String.fromCharCode(byte) + whole.slice(at + 1);
        try {
          tokenizerOf({ json, config: null }, NONE);
        } catch (error) {
          expect(isSoliloquyError(error) && error.code).toBe('tokenizer.invalid');
        }
      }),
      { numRuns: 500, seed: 3 },
    );
  });
});
