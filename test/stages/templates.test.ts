import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JudgeTemplate } from '../../src/protocol/records.js';
import { additive, builtInTemplates, multipleChoice, plainFormat } from '../../src/protocol/templates.js';
import { parseVerdict } from '../../src/stages/judge.js';
import { chatPrompt, judgePrompt, judgeTarget, render, scoreText } from '../../src/stages/templates.js';

describe('render', () => {
  it('fills every slot, each as often as it stands there', () => {
    expect(render('{{a}} and {{b}}, {{a}}!', { a: 'x', b: 'y' })).toBe('x and y, x!');
  });

  it('never expands a value again', () => {
    expect(render('{{prompt}}|{{response}}', { prompt: '{{response}}', response: '{{prompt}} $& $1' })).toBe(
      '{{response}}|{{prompt}} $& $1',
    );
  });

  it('puts any value in as it is', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(render('<{{a}}|{{b}}>', { a, b })).toBe(`<${a}|${b}>`);
      }),
    );
  });

  it('refuses a slot nobody fills, inherited names included', () => {
    for (const slot of ['respnse', 'toString'])
      expect(() => render(`{{${slot}}}`, { response: '' })).toThrow(
        expect.objectContaining({ code: 'config.invalid' }),
      );
  });
});

describe('built-in judge templates', () => {
  it.each(Object.values(builtInTemplates))(
    '$name — a target it teaches is read back as its score',
    (template) => {
      for (const score of [0, 1, 2, 3, 3.5, 4, 5])
        expect(
          parseVerdict(judgeTarget(template, 'It is clear. Score: 2 would be unfair.', score), template),
        ).toEqual({
          status: 'score',
          score,
        });
    },
  );

  it.each(Object.values(builtInTemplates))(
    '$name — holds prompt and response once, and asks for 100 words',
    (template) => {
      const text = judgePrompt(template, 'PROMPT-TEXT', 'RESPONSE-TEXT');
      expect(text.split('PROMPT-TEXT')).toHaveLength(2);
      expect(text.split('RESPONSE-TEXT')).toHaveLength(2);
      expect(text).toContain('at most 100 words');
    },
  );

  it('additive ends as the paper says; the ablation differs only in its prompt', () => {
    expect(additive.prompt).toContain('Score: <total points>');
    expect(multipleChoice.verdict).toEqual(additive.verdict);
  });

  it('plain format: the answer follows directly', () => {
    expect(chatPrompt(plainFormat, 'Say hi.')).toBe('Instruction: Say hi.\n\nResponse:\n');
  });
});

describe('scoreText', () => {
  const words: JudgeTemplate = {
    name: 'w',
    prompt: '',
    verdict: { marker: 'score :', words: { zero: 0, one: 1, two: 2 }, min: 0, max: 2 },
    target: '{{justification}} score : {{score}}',
  };

  it('writes the nearest word, or a short number', () => {
    expect(scoreText(words, 1)).toBe('one');
    expect(scoreText(words, 1.6)).toBe('two');
    expect(scoreText(additive, 4)).toBe('4');
    expect(scoreText(additive, 10 / 3)).toBe('3.33');
  });
});
