import { describe, expect, it } from 'vitest';
import { episodeId, pairId, responseId } from '../../src/protocol/ids.js';
import type { Tokenizer } from '../../src/protocol/ports.js';
import { additive, plainFormat } from '../../src/protocol/templates.js';
import {
  encodePreferences,
  encodeSft,
  encodeTarget,
  preferenceTexts,
  sftRows,
} from '../../src/stages/train.js';

const BOS = '^'.codePointAt(0)!;
const encode = (text: string) => [...text].map((letter) => letter.codePointAt(0)!);
/** One token a character: its code. Sequences start with "^". */
const letters: Tokenizer = {
  vocabSize: 0x10000,
  encode,
  encodePrompt: (text) => [BOS, ...encode(text)],
  decode: (ids) => String.fromCodePoint(...ids),
  tokenId: () => undefined,
  bosId: BOS,
  eosIds: [0],
};
const plainly = (prompt: string, target: string) => encodeTarget(letters, prompt, target, 0);
const answer = (episode: number, candidate: number, text: string, score: number) => ({
  response: responseId(episodeId(1, episode), candidate),
  text,
  score,
  judgements: [10 * episode + candidate],
});
const fact = (episode: number) => ({
  id: pairId(episodeId(1, episode)),
  prompt: `P${episode}`,
  chosen: answer(episode, 2, 'good', 4),
  rejected: answer(episode, 0, 'bad', 1),
});

describe('SFT rows', () => {
  const demonstration = (id: string) => ({ id, prompt: `P ${id}`, response: `R ${id}` });
  const example = (id: string) => ({ ...demonstration(id), justification: 'J', score: 3 });
  const rows = sftRows(
    {
      ift: [demonstration('b'), demonstration('a')],
      eft: [example('d'), example('c')],
      positives: [
        { prompt: 'P', answer: answer(2, 1, 'great', 5) },
        { prompt: 'P', answer: answer(1, 3, 'fine', 5) },
      ],
    },
    plainFormat,
    additive,
  );

  it('bug: unseeded order — IFT, EFT, positives, each by id, however they came', () => {
    expect(rows.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
      'ift a',
      'ift b',
      'eft c',
      'eft d',
      'positive 1-0001/3',
      'positive 1-0002/1',
    ]);
  });

  it('bug: SFT masks the response instead of the prompt — the target is the response and the end token', () => {
    const row = encodeTarget(letters, 'ab', 'xyz', 0);
    expect(row).toEqual({ ids: [BOS, 97, 98, 120, 121, 122, 0], targetStart: 3 });
    for (const { prompt, target } of rows) {
      const { ids, targetStart } = encodeTarget(letters, prompt, target, 0);
      expect(letters.decode(ids.slice(0, targetStart))).toBe(`^${prompt}`);
      expect(letters.decode(ids.slice(targetStart, -1))).toBe(target);
      expect(ids.at(-1)).toBe(0);
    }
  });

  it('a row that does not fit is named, never cut', () => {
    const { rows: fit, tooLong } = encodeSft(rows, plainly, 100);
    expect(tooLong).toEqual(['c', 'd']);
    expect(fit).toHaveLength(4);
    const exact = encodeTarget(letters, rows[0]!.prompt, rows[0]!.target, 0).ids.length;
    expect(encodeSft([rows[0]!], plainly, exact).tooLong).toEqual([]);
    expect(encodeSft([rows[0]!], plainly, exact - 1).tooLong).toEqual(['a']);
  });
});

describe('preference rows', () => {
  const texts = preferenceTexts([fact(12), fact(3)], plainFormat);

  it('are in order of pair ids and keep what stands behind them', () => {
    expect(texts.map(({ id }) => id)).toEqual(['1-0003', '1-0012']);
    expect(texts[0]).toEqual({
      id: '1-0003',
      prompt: 'Instruction: P3\n\nResponse:\n',
      chosen: 'good',
      rejected: 'bad',
      provenance: {
        chosen: { response: '1-0003/2', score: 4, judgements: [32] },
        rejected: { response: '1-0003/0', score: 1, judgements: [30] },
      },
    });
  });

  it('share the prompt tokens; only the answers differ', () => {
    const { rows } = encodePreferences(texts, plainly, 1000);
    for (const { chosen, rejected } of rows) {
      expect(chosen.targetStart).toBe(rejected.targetStart);
      expect(chosen.ids.slice(0, chosen.targetStart)).toEqual(rejected.ids.slice(0, rejected.targetStart));
    }
    expect(letters.decode(rows[0]!.chosen.ids.slice(rows[0]!.chosen.targetStart, -1))).toBe('good');
  });

  it('a pair fits only where both sides do', () => {
    const longest = encodeTarget(letters, texts[0]!.prompt, 'good', 0).ids.length;
    expect(encodePreferences([texts[0]!], plainly, longest).tooLong).toEqual([]);
    expect(encodePreferences([texts[0]!], plainly, longest - 1)).toEqual({
      rows: [],
      places: [],
      tooLong: ['1-0003'],
    });
  });
});
