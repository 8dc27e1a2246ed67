/**
 * Owns: how new prompts come about (paper §2.3, step 1): which known prompts are shown, the text the generator
 * continues, what of its completion is a prompt, and the filters in their order.
 * Unlike the paper, the generator is M_t by default. Whoever screens keeps the order of the asks: a prompt that passes
 * joins the pool that the next one is compared with.
 */
import type { RngKey } from '../protocol/lm.js';
import type { FilterReason } from '../protocol/messages.js';
import type { PromptFormat } from '../protocol/records.js';
import { rngOf } from '../rng.js';
import { normalForm, type PromptIndex, wordsOf } from './similarity.js';
import { render } from './templates.js';

export interface ShotCounts {
  readonly seedShots: number;
  readonly madeShots: number;
}

/** Shots for one ask, in random order. Where too few prompts are model-made yet, seed prompts take their places. */
export function chooseShots(
  seed: readonly string[],
  made: readonly string[],
  { seedShots, madeShots }: ShotCounts,
  key: RngKey,
): readonly string[] {
  const rng = rngOf(key);
  const own = rng.take(made, madeShots);
  return rng.shuffle([...own, ...rng.take(seed, seedShots + madeShots - own.length)]);
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Header, one item a shot (a prompt on one line), tail; the new prompt follows. */
export const inventionPrompt = ({ invent }: PromptFormat, shots: readonly string[]): string =>
  [invent.header, ...shots.map((shot) => render(invent.item, { prompt: oneLine(shot) })), invent.tail].join(
    '',
  );

/**
 * The new prompt in a completion: up to where the list would go on (a line's end, the item's text after a prompt, in a
 * format without lines also its text before one), without a list number, outer quotes and runs of white space.
 */
export function cleanPrompt(completion: string, { invent }: PromptFormat): string {
  const [before = '', after = ''] = invent.item.split('{{prompt}}');
  const started = completion.trimStart();
  const ends = ['\n', after.trim(), after.includes('\n') ? '' : before.trim()]
    .filter((mark) => mark !== '')
    .map((mark) => started.indexOf(mark))
    .filter((at) => at >= 0);
  const prompt = oneLine(started.slice(0, Math.min(started.length, ...ends)));
  return unquoted(prompt.replace(/^(?:\d+[.)]|[-*•])\s+/, ''));
}

const unquoted = (text: string): string => /^(["“'`])([^"“”'`]*)(["”'`])$/.exec(text)?.[2]?.trim() ?? text;

export interface PromptRules {
  readonly minWords: number;
  readonly maxWords: number;
  /** Words or phrases that no prompt may hold, matched as whole words without case. */
  readonly keywords: readonly string[];
  /** At least this ROUGE-L F1 to a known prompt is too similar. */
  readonly similarity: number;
}

/** What a new prompt is compared with. */
export interface KnownPrompts {
  /** Seed prompts and those made so far. */
  readonly pool: PromptIndex;
  readonly heldOut: PromptIndex;
}

export interface Refusal {
  readonly reason: FilterReason;
  /** The prompt, keyword or number that the reason rests on. */
  readonly detail: string;
}

/** The first filter that a cleaned prompt fails, or null: it is new. */
export function refusalOf(prompt: string, rules: PromptRules, known: KnownPrompts): Refusal | null {
  return refusalByText(prompt, rules) ?? refusalByNeighbour(prompt, rules, known);
}

function refusalByText(prompt: string, rules: PromptRules): Refusal | null {
  if (prompt.trim() === '') return { reason: 'empty', detail: '' };
  const words = wordsOf(prompt);
  if (words.length < rules.minWords) return { reason: 'too-short', detail: `${words.length} words` };
  if (words.length > rules.maxWords) return { reason: 'too-long', detail: `${words.length} words` };
  const text = ` ${words.join(' ')} `;
  const keyword = rules.keywords.find((one) => text.includes(` ${normalForm(one)} `));
  return keyword === undefined ? null : { reason: 'keyword', detail: keyword };
}

function refusalByNeighbour(prompt: string, rules: PromptRules, known: KnownPrompts): Refusal | null {
  const same = known.pool.same(prompt);
  if (same !== undefined) return { reason: 'duplicate', detail: same };
  const heldOut = known.heldOut.same(prompt);
  if (heldOut !== undefined) return { reason: 'held-out', detail: heldOut };
  const near = known.pool.nearest(prompt, rules.similarity);
  return near ? { reason: 'similar', detail: `${near.score.toFixed(3)} ${near.prompt}` } : null;
}
