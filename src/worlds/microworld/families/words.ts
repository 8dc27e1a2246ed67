/**
 * Families about words: lists of them, their order, their kinds and what is known of them.
 */
import type { Rng } from '../../../rng.js';
import {
  CATEGORIES,
  COLOUR_OF,
  COLOURS,
  kindOf,
  NUMBERS,
  OPPOSITES,
  SOUND_OF,
  WORDS,
} from '../vocabulary.js';
import { type Answer, exact, type Family, type Slots } from './family.js';

const SHORTEST = 2;
const LONGEST = 3;
const isWordList = (words: readonly string[]) =>
  words.length >= SHORTEST && words.length <= LONGEST && words.every((word) => WORDS.includes(word));
const drawWords = (rng: Rng) => rng.take(WORDS, SHORTEST + rng.below(LONGEST - SHORTEST + 1));
/** two or three. */
const smallCount = (word: string) => {
  const n = NUMBERS.indexOf(word);
  return n >= SHORTEST && n <= LONGEST ? n : null;
};

/** A family over one list of words at the end of the prompt. */
const overWords = (
  name: string,
  pattern: string,
  answer: (words: readonly string[]) => readonly string[],
  domain: readonly string[] = WORDS,
): Family => ({
  name,
  pattern,
  domain: () => domain,
  draw: (rng) => [drawWords(rng)],
  answer: ([words]) => (isWordList(words!) ? exact(...answer(words!)) : null),
});

/** A family that looks one word up in a table. */
const lookup = (name: string, pattern: string, table: Readonly<Record<string, string>>): Family => {
  const domain = [...new Set(Object.values(table))];
  return {
    name,
    pattern,
    domain: () => domain,
    draw: (rng) => [[rng.pick(Object.keys(table))]],
    answer: ([key]) => {
      const value = Object.hasOwn(table, key![0]!) ? table[key![0]!] : undefined;
      return value === undefined ? null : exact(value);
    },
  };
};

const list: Family = {
  name: 'list',
  pattern: 'name @ @',
  domain: ([, category]) => CATEGORIES[category![0]!]?.words ?? [],
  draw: (rng) => [
    [NUMBERS[SHORTEST + rng.below(LONGEST - SHORTEST + 1)]!],
    [rng.pick(Object.keys(CATEGORIES))],
  ],
  answer: ([count, category]): Answer | null => {
    const n = smallCount(count![0]!);
    const of = Object.hasOwn(CATEGORIES, category![0]!) ? CATEGORIES[category![0]!]!.words : null;
    return n && of ? { kind: 'any', of, count: n, label: `${count![0]!} ${category![0]!}` } : null;
  },
};

const repeat: Family = {
  name: 'repeat',
  pattern: 'say @ @ times',
  domain: () => WORDS,
  draw: (rng) => [[rng.pick(WORDS)], [NUMBERS[SHORTEST + rng.below(LONGEST - SHORTEST + 1)]!]],
  answer: ([word, count]) => {
    const n = smallCount(count![0]!);
    return n && WORDS.includes(word![0]!) ? exact(...new Array<string>(n).fill(word![0]!)) : null;
  },
};

/** The one word whose kind differs, where the others agree. */
function oddOneOut(words: readonly string[]): string | null {
  if (!isWordList(words) || words.length !== LONGEST) return null;
  const alone = words.filter((word) =>
    words.every((other) => other === word || kindOf(other) !== kindOf(word)),
  );
  const kinds = new Set(words.map(kindOf));
  return alone.length === 1 && kinds.size === 2 && new Set(words).size === words.length ? alone[0]! : null;
}

const odd: Family = {
  name: 'odd-one-out',
  pattern: 'odd one out : *',
  domain: () => WORDS,
  draw: (rng) => {
    const [most, other] = rng.take(Object.values(CATEGORIES), 2);
    return [rng.shuffle([...rng.take(most!.words, 2), rng.pick(other!.words)])];
  },
  answer: ([words]) => {
    const alone = oddOneOut(words!);
    return alone ? exact(alone) : null;
  },
};

const member: Family = {
  name: 'member',
  pattern: 'is @ a kind of @ ?',
  domain: () => ['yes', 'no'],
  draw: (rng) => {
    const kinds = Object.values(CATEGORIES);
    const kind = rng.pick(kinds);
    return [[rng.pick(rng.chance(0.5) ? kind.words : WORDS)], [kind.singular]];
  },
  answer: ([word, kind]) => {
    const known = Object.values(CATEGORIES).some(({ singular }) => singular === kind![0]);
    const own = kindOf(word![0]!);
    return known && own ? exact(own === kind![0] ? 'yes' : 'no') : null;
  },
};

const paint: Family = {
  name: 'paint',
  pattern: 'paint the @ @',
  domain: () => WORDS,
  draw: (rng) => [[rng.pick(WORDS.filter((w) => kindOf(w) !== 'colour'))], [rng.pick(COLOURS)]],
  answer: ([thing, colour]) =>
    WORDS.includes(thing![0]!) && kindOf(thing![0]!) !== 'colour' && kindOf(colour![0]!) === 'colour'
      ? exact(colour![0]!, thing![0]!)
      : null,
};

const leaveOut: Family = {
  name: 'leave-out',
  pattern: 'leave @ out of : *',
  domain: () => WORDS,
  draw: (rng): Slots => {
    const words = drawWords(rng);
    return [[rng.pick(words)], words];
  },
  answer: ([out, words]) => {
    const rest = words!.filter((word) => word !== out![0]);
    return isWordList(words!) && rest.length > 0 && rest.length < words!.length ? exact(...rest) : null;
  },
};

export const WORD_FAMILIES: readonly Family[] = [
  list,
  lookup('opposite', 'what is the opposite of @ ?', OPPOSITES),
  lookup('colour', 'what colour is @ ?', COLOUR_OF),
  lookup('sound', 'what does the @ say ?', SOUND_OF),
  lookup('kind', 'what kind of thing is @ ?', Object.fromEntries(WORDS.map((word) => [word, kindOf(word)!]))),
  repeat,
  overWords('reverse', 'reverse the words : *', (words) => [...words].reverse()),
  overWords('count', 'how many words : *', (words) => [NUMBERS[words.length]!], NUMBERS),
  overWords('first', 'first word of : *', (words) => [words[0]!]),
  overWords('second', 'second word of : *', (words) => [words[1]!]),
  overWords('last', 'last word of : *', (words) => [words[words.length - 1]!]),
  odd,
  member,
  paint,
  leaveOut,
];
