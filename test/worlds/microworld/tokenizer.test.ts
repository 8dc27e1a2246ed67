import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ADDITIVE, FORMAT, MULTIPLE_CHOICE } from '../../../src/worlds/microworld/format.js';
import { pretrainingSequence } from '../../../src/worlds/microworld/pretraining.js';
import { tokenizerConfig, tokenizerJson } from '../../../src/worlds/microworld/tokenizer.js';
import { SPECIALS, TOKENS } from '../../../src/worlds/microworld/vocabulary.js';

const tokenizer = new Tokenizer(JSON.parse(JSON.stringify(tokenizerJson())), tokenizerConfig());
const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
const unknown = TOKENS.indexOf('<unk>');

describe('microworld tokenizer', () => {
  it('has each token once, specials first', () => {
    expect(new Set(TOKENS).size).toBe(TOKENS.length);
    expect(TOKENS.slice(0, SPECIALS.length)).toEqual([...SPECIALS]);
  });

  it('has no token that continues a word or has white space in it', () => {
    expect(TOKENS.filter((token) => token.startsWith('##') || /\s/.test(token))).toEqual([]);
  });

  it('encodes each token as its own id', () => {
    expect(TOKENS.map((token) => encode(token))).toEqual(TOKENS.map((_, id) => [id]));
  });

  it('gives back any sequence of tokens as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...TOKENS), { minLength: 1 }), (tokens) => {
        const ids = encode(tokens.join(' '));
        expect(ids).toEqual(tokens.map((token) => TOKENS.indexOf(token)));
        expect(tokenizer.decode(ids)).toBe(tokens.join(' '));
      }),
    );
  });

  it('sees specials in text without white space around them', () => {
    expect(encode('<user>add two and two<asst>four')).toEqual(encode('<user> add two and two <asst> four'));
  });

  it('knows no part of a word', () => {
    expect(encode('cats')).toEqual([unknown]);
    expect(encode('cat dogfish owl')).toEqual(['cat', '<unk>', 'owl'].map((token) => TOKENS.indexOf(token)));
  });

  it('covers all pretraining text', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (step, row) => {
        expect(encode(pretrainingSequence(1, step, row))).not.toContain(unknown);
      }),
    );
  });

  it('covers all prompts and verdicts of the formats', () => {
    const judges = [ADDITIVE, MULTIPLE_CHOICE].flatMap(({ prompt, target, verdict }) => [
      prompt,
      target,
      verdict.marker,
      ...Object.keys(verdict.words!),
    ]);
    const stops = [FORMAT.stop.response, FORMAT.stop.judgement, FORMAT.stop.prompt]
      .flat()
      .filter((stop) => stop !== '<unk>'); // itself the unknown token
    const { header, item, tail } = FORMAT.invent;
    const text = [...judges, ...stops, FORMAT.chat, header, item, tail]
      .join(' ')
      .replaceAll(/\{\{\w+\}\}/g, '');
    expect(encode(text)).not.toContain(unknown);
  });
});
