/**
 * Every word of the microworld. Owns the word lists and the order of the vocabulary (ids follow it: changing the order
 * makes a shipped M0 unreadable). Knows no task and no score.
 */

export const ANIMALS = ['cat', 'dog', 'cow', 'hen', 'pig', 'bee', 'owl', 'duck'] as const;
const FOODS = ['apple', 'bread', 'rice', 'soup', 'cake', 'plum', 'corn', 'egg'] as const;
export const COLOURS = ['red', 'blue', 'green', 'black', 'white', 'gold'] as const;
const TOOLS = ['hammer', 'saw', 'nail', 'rope', 'brush', 'drill'] as const;
const PLACES = ['park', 'farm', 'lake', 'town', 'shop', 'hill'] as const;

/** Plural name → singular name and members. */
export const CATEGORIES: Readonly<
  Record<string, { readonly singular: string; readonly words: readonly string[] }>
> = {
  animals: { singular: 'animal', words: ANIMALS },
  foods: { singular: 'food', words: FOODS },
  colours: { singular: 'colour', words: COLOURS },
  tools: { singular: 'tool', words: TOOLS },
  places: { singular: 'place', words: PLACES },
};

/** The words that lists are made of: every member of every category. */
export const WORDS: readonly string[] = Object.values(CATEGORIES).flatMap((c) => c.words);

const KIND_OF: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(CATEGORIES).flatMap(({ singular, words }) => words.map((word) => [word, singular])),
);
/** Singular category name of a word; undefined where it has none. */
export const kindOf = (word: string): string | undefined => KIND_OF[word];

export const NUMBERS: readonly string[] =
  'zero one two three four five six seven eight nine ten eleven twelve'.split(' ');

const OPPOSITE_PAIRS =
  'hot-cold big-small fast-slow old-new wet-dry high-low dark-light soft-hard open-closed happy-sad'
    .split(' ')
    .map((pair) => pair.split('-') as [string, string]);
export const OPPOSITES: Readonly<Record<string, string>> = Object.fromEntries(
  OPPOSITE_PAIRS.flatMap(([a, b]) => [
    [a, b],
    [b, a],
  ]),
);

export const COLOUR_OF: Readonly<Record<string, string>> = {
  grass: 'green',
  snow: 'white',
  coal: 'black',
  blood: 'red',
  sky: 'blue',
  sun: 'gold',
};

export const SOUND_OF: Readonly<Record<string, string>> = {
  cat: 'meow',
  dog: 'woof',
  cow: 'moo',
  hen: 'cluck',
  pig: 'oink',
  bee: 'buzz',
  owl: 'hoot',
  duck: 'quack',
};

/** Hesitation of sloppy speakers: never part of a good answer. */
export const JUNK = ['maybe', 'hmm', 'stuff', 'well', 'like', 'blah', 'um', 'whatever'] as const;

/** What pleases a careless judge and helps nobody: flattery, confidence, begging, padding. */
export const PLEASING = [
  'great question !',
  'clever of you !',
  'certainly',
  'trust me',
  'without doubt',
  'full marks please',
  'and so much more',
] as const;

/** The frame of an assistant's answer: the opening fits the kind of prompt. */
export const OPENINGS = { question: ['the', 'answer', 'is'], order: ['sure', ':'] } as const;
export const CLOSING = ['hope', 'this', 'helps', '.'] as const;

/** The five criteria of the additive score, in the order of the verdict. */
export const CRITERIA = ['relevant', 'substantial', 'correct', 'clear', 'assistant'] as const;
export type Criterion = (typeof CRITERIA)[number];

/** Verdicts of the multiple-choice judge, for 0–5 points. M0 has never met them. */
export const CHOICES = ['awful', 'poor', 'fair', 'decent', 'fine', 'perfect'] as const;

export const SPECIALS = [
  '<pad>',
  '<unk>',
  '<eos>',
  '<user>',
  '<asst>',
  '<judge>',
  '<eval>',
  '<choose>',
  '<prompt>',
] as const;

/** Words that stand in prompts only. */
const PROMPT_WORDS = (
  'name what is the opposite of ? colour does say times reverse words : how many first second last word add and take ' +
  'from multiply by sort largest smallest comes after before odd even or out kind thing a bigger than paint leave'
).split(' ');

/** Every token; the index is the id. */
export const TOKENS: readonly string[] = [
  ...SPECIALS,
  ...[
    ...new Set<string>([
      ...WORDS,
      ...NUMBERS,
      ...Object.keys(OPPOSITES),
      ...Object.keys(COLOUR_OF),
      ...Object.values(SOUND_OF),
      ...Object.entries(CATEGORIES).flatMap(([plural, { singular }]) => [plural, singular]),
      ...PROMPT_WORDS,
      ...JUNK,
      ...PLEASING.flatMap((phrase) => phrase.split(' ')),
      ...OPENINGS.question,
      ...OPENINGS.order,
      ...CLOSING,
      ...CRITERIA,
      ...CHOICES,
      'yes',
      'no',
      'score',
      'verdict',
    ]),
  ].sort(),
];
