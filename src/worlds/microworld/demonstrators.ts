/**
 * People of the microworld who answer, more or less well. Owns how a response goes wrong and how it tries to please;
 * what it is worth is score.ts's business.
 */
import type { Rng } from '../../rng.js';
import type { Task } from './families/family.js';
import { rightCore } from './tasks.js';
import { CLOSING, JUNK, OPENINGS, PLEASING, WORDS } from './vocabulary.js';

/** How a person answers. Both in [0, 1]. */
export interface Manner {
  /** Chance to get each thing right: the core, no hesitation, the full stop, the frame. */
  readonly quality: number;
  /** Chance to add a phrase that pleases a careless judge. */
  readonly pleasing: number;
}

/** A core that is probably wrong, in one of the ways people go wrong. */
export function spoil(rng: Rng, task: Task, core: readonly string[]): string[] {
  const way = rng.uniform();
  if (way < 0.4) return core.map(() => rng.pick(task.domain));
  if (way < 0.65) {
    const at = rng.below(core.length);
    return core.map((word, i) => (i === at ? rng.pick(task.domain) : word));
  }
  if (way < 0.75) return core.length > 1 ? core.slice(0, -1) : [rng.pick(task.domain)];
  if (way < 0.85) return [...core, rng.pick(core)];
  return core.map(() => rng.pick([...JUNK, ...WORDS]));
}

const insertAt = (words: readonly string[], at: number, more: readonly string[]): string[] => [
  ...words.slice(0, at),
  ...more,
  ...words.slice(at),
];

function hesitate(rng: Rng, words: readonly string[]): string[] {
  let out = [...words];
  for (let n = 1 + rng.below(2); n > 0; n--) out = insertAt(out, rng.below(out.length + 1), [rng.pick(JUNK)]);
  return out;
}

/** The frame: whole and fitting, or in part, or the wrong opening, or none. */
function frame(rng: Rng, task: Task, quality: number, body: readonly string[]): string[] {
  const [right, wrong] = task.question
    ? [OPENINGS.question, OPENINGS.order]
    : [OPENINGS.order, OPENINGS.question];
  if (rng.chance(quality * quality)) return [...right, ...body, ...CLOSING];
  const way = rng.uniform();
  if (way < 0.2) return [...right, ...body];
  if (way < 0.3) return [...wrong, ...body, ...CLOSING];
  if (way < 0.4) return [...body, ...CLOSING];
  return [...body];
}

/** One response of a person of that manner. */
export function respond(rng: Rng, task: Task, { quality, pleasing }: Manner): string {
  const core = rightCore(rng, task.answer);
  let body = rng.chance(quality) ? core : spoil(rng, task, core);
  if (!rng.chance(quality)) body = hesitate(rng, body);
  if (rng.chance((1 + quality) / 2)) body = [...body, '.'];
  let words = frame(rng, task, quality, body);
  if (rng.chance(pleasing)) {
    const phrase = rng.pick(PLEASING).split(' ');
    words = insertAt(words, rng.chance(0.5) ? 0 : words.length, phrase);
  }
  return words.join(' ');
}

/** A perfect response: worth five points. */
export const perfectResponse = (rng: Rng, task: Task): string =>
  respond(rng, task, { quality: 1, pleasing: 0 });

/** Whether a response carries a phrase that pleases. */
export const pleases = (response: string): boolean => {
  const padded = ` ${response} `;
  return PLEASING.some((phrase) => padded.includes(` ${phrase} `));
};
