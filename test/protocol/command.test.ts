import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commandLine,
  commandSchema,
  commandText,
  commandWords,
  environmentOf,
  filledIn,
  wordsOf,
} from '../../src/protocol/command.js';

const paths = { model: '/r/m', data: '/r/d.jsonl', out: '/r/o', job: '/r/j.json' };

describe('the words of a command', () => {
  it.each([
    ['python train.py {job}', ['python', 'train.py', '{job}']],
    ['  \'a b\'\t"c d"  ', ['a b', 'c d']],
    ['a\\ b "c\\"d" \'e\\f\'', ['a b', 'c"d', 'e\\f']],
    ["--name='my model'", ['--name=my model']],
    ["x '' y", ['x', '', 'y']],
    [
      'echo $HOME; rm *.txt | cat > f && g',
      ['echo', '$HOME;', 'rm', '*.txt', '|', 'cat', '>', 'f', '&&', 'g'],
    ],
    ["open 'quote", null],
    ['end\\', null],
  ])('%s', (line, words) => {
    expect(wordsOf(line)).toEqual(words);
  });

  it('any words, written as a line, are read as the same words', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (words) => {
        expect(wordsOf(commandLine(words))).toEqual(words);
      }),
    );
  });
});

describe('the command section of a config', () => {
  const issues = (part: object) => commandSchema.safeParse(part).error?.issues.map(({ message }) => message);

  it.each([
    [{ run: '' }, /names no program/],
    [{ run: [] }, /names no program/],
    [{ run: "a 'b" }, /quote is not closed/],
    [{ run: 'train {weights}' }, /no placeholder is called \{weights\}/],
    [{ run: 'x', env: { 'A B': '1' } }, /Invalid key/],
    [{ run: 'x', timeoutMinutes: 1e6 }, /30000/],
  ])('refuses %j', (part, why) => {
    expect(issues(part)?.join()).toMatch(why);
  });

  it('fills placeholders into words and says the same in the environment', () => {
    const words = commandWords(commandSchema.parse({ run: 'train --in={data} "{out} x" {job}' }));
    expect(filledIn(words, paths)).toEqual(['train', '--in=/r/d.jsonl', '/r/o x', '/r/j.json']);
    expect(environmentOf(paths)).toEqual({
      SOLILOQUY_MODEL: '/r/m',
      SOLILOQUY_DATA: '/r/d.jsonl',
      SOLILOQUY_OUT: '/r/o',
      SOLILOQUY_JOB: '/r/j.json',
    });
  });

  it('is told whole, variables first, so that another variable is another command', () => {
    const told = (env: Record<string, string>) =>
      commandText(commandSchema.parse({ run: ['sh', '-c', 'a b'], env }));
    expect(told({})).toBe("sh -c 'a b'");
    expect(told({ LD_PRELOAD: '/x y.so' })).toBe("LD_PRELOAD='/x y.so' sh -c 'a b'");
  });
});
