/**
 * Families about whole numbers from zero to twelve, written as words.
 */
import type { Rng } from '../../../rng.js';
import { NUMBERS } from '../vocabulary.js';
import { type Answer, exact, type Family } from './family.js';

const word = (n: number): string => NUMBERS[n]!;
/** The answer that is this number; null beyond the known ones. */
const numeral = (n: number): Answer | null => (n >= 0 && n < NUMBERS.length ? exact(word(n)) : null);
const below = (rng: Rng, n: number): string[] => [word(rng.below(n))];
const numberOf = (slot: readonly string[]): number => NUMBERS.indexOf(slot[0]!);

/** A family over one number (`@`) or two. */
const overNumbers = (
  name: string,
  pattern: string,
  draw: (rng: Rng) => readonly string[][],
  answer: (a: number, b: number) => Answer | null,
  domain: readonly string[] = NUMBERS,
): Family => ({
  name,
  pattern,
  domain: () => domain,
  draw,
  answer: (slots) => {
    const values = slots.map(numberOf);
    return values.includes(-1) ? null : answer(values[0]!, values[1] ?? 0);
  },
});

/** A family over two or three different numbers at the end of the prompt. */
const overList = (
  name: string,
  pattern: string,
  answer: (sorted: readonly number[]) => readonly number[],
): Family => ({
  name,
  pattern,
  domain: () => NUMBERS,
  draw: (rng) => [rng.take(NUMBERS, 2 + rng.below(2))],
  answer: ([slot]) => {
    const values = slot!.map((w) => NUMBERS.indexOf(w));
    if (values.length < 2 || values.length > 3 || values.includes(-1)) return null;
    return exact(...answer([...values].sort((a, b) => a - b)).map(word));
  },
});

const YES_NO = ['yes', 'no'];
const PARITY = ['even', 'odd'];
/** Numbers below this are added and taken away, and those below FACTORS multiplied: no answer is beyond twelve. */
const DIGITS = 7;
const FACTORS = 4;

export const NUMBER_FAMILIES: readonly Family[] = [
  overNumbers(
    'add',
    'add @ and @',
    (rng) => [below(rng, DIGITS), below(rng, DIGITS)],
    (a, b) => numeral(a + b),
  ),
  overNumbers(
    'subtract',
    'take @ from @',
    (rng) => {
      const [a, b] = [rng.below(DIGITS), rng.below(DIGITS)];
      return [[word(Math.min(a, b))], [word(Math.max(a, b))]];
    },
    (a, b) => numeral(b - a),
  ),
  overNumbers(
    'multiply',
    'multiply @ by @',
    (rng) => [below(rng, FACTORS), below(rng, FACTORS)],
    (a, b) => numeral(a * b),
  ),
  overNumbers(
    'after',
    'what comes after @ ?',
    (rng) => [below(rng, NUMBERS.length - 1)],
    (a) => numeral(a + 1),
  ),
  overNumbers(
    'before',
    'what comes before @ ?',
    (rng) => [[word(1 + rng.below(NUMBERS.length - 1))]],
    (a) => numeral(a - 1),
  ),
  overNumbers(
    'bigger',
    'is @ bigger than @ ?',
    (rng) => rng.take(NUMBERS, 2).map((n) => [n]),
    (a, b) => exact(a > b ? 'yes' : 'no'),
    YES_NO,
  ),
  overNumbers(
    'parity',
    'is @ odd or even ?',
    (rng) => [below(rng, NUMBERS.length)],
    (a) => exact(PARITY[a % 2]!),
    PARITY,
  ),
  overList('sort', 'sort : *', (sorted) => sorted),
  overList('largest', 'largest of : *', (sorted) => sorted.slice(-1)),
  overList('smallest', 'smallest of : *', (sorted) => sorted.slice(0, 1)),
];
