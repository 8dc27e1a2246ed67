/**
 * Owns: TRL's layouts, read once for training (src/cli/training-data.ts) and for the loaders here: SFT as `prompt` and
 * `completion` or as `messages`; preferences with an explicit or an implicit prompt, as texts or as messages.
 */
import { z } from 'zod';
import { isPlainObject } from '../protocol/plain.js';
import { Fault, gave, hasKeys, type Layout, leftOut, rowLayout } from './layout.js';
import { plainTurn, type Turn, user } from './records.js';

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
const messages = z.array(message).min(1);
const said = z.union([z.string().min(1), messages], {
  error: 'expected a text that is not empty, or a list of {role, content}',
});
const asked = z.union([z.string(), messages], { error: 'expected a text, or a list of {role, content}' });

export const sftLine = z.union([z.object({ messages }), z.object({ prompt: asked, completion: said })], {
  error:
    'expected {"prompt", "completion"} or {"messages": [{"role": "user" | "assistant" | "system", "content"}, …]}',
});
export const dpoLine = z.object({ prompt: asked.optional(), chosen: said, rejected: said });

/** What stands before an answer: texts as given and turns, in order. */
export type Before = readonly (string | Turn)[];

/** Plainly, for models without a chat template; a text stands as it is. */
export const rendered = (before: Before): string =>
  before.map((piece) => (typeof piece === 'string' ? piece : plainTurn(piece))).join('');

export const turnsOf = (before: Before): readonly Turn[] =>
  before.map((piece) => (typeof piece === 'string' ? user(piece) : piece));

export interface Completion {
  readonly before: Before;
  readonly answer: string;
}

/** The answer at the end of a text or conversation, and what stands before it. */
function answerOf(field: string, given: string | readonly Turn[]) {
  if (typeof given === 'string') return { before: [], answer: given };
  const last = given.at(-1)!;
  if (last.role !== 'assistant' || last.content === '')
    throw new Fault('its last message is no assistant’s answer', field);
  return { before: given.slice(0, -1), answer: last.content };
}

const pieces = (given: string | readonly Turn[]): Before => (typeof given === 'string' ? [given] : given);

/** One for each assistant turn of a conversation. */
export function completionsOf(row: z.infer<typeof sftLine>): readonly Completion[] {
  if (!('messages' in row)) {
    const { before, answer } = answerOf('completion', row.completion);
    return [{ before: [...pieces(row.prompt), ...before], answer }];
  }
  const all = row.messages.flatMap(({ role, content }, i) =>
    role === 'assistant' && content !== '' ? [{ before: row.messages.slice(0, i), answer: content }] : [],
  );
  if (all.length === 0) throw new Fault('no message is an assistant’s: there is nothing to learn');
  return all;
}

export interface Preference {
  readonly before: Before;
  readonly chosen: string;
  readonly rejected: string;
}

/** `chosen` and `rejected` may repeat the prompt as their first messages, as many public sets do. */
export function preferenceOf({ prompt, chosen, rejected }: z.infer<typeof dpoLine>): Preference {
  const better = answerOf('chosen', chosen);
  const worse = answerOf('rejected', rejected);
  if (rendered(better.before) !== rendered(worse.before))
    throw new Fault('chosen and rejected answer different conversations');
  const { before } = better;
  const repeats =
    typeof prompt === 'string'
      ? before.at(-1)?.content === prompt
      : prompt !== undefined && rendered(prompt) === rendered(before);
  if (prompt === undefined && before.length === 0) throw new Fault('missing', 'prompt');
  const whole = prompt === undefined || repeats ? before : [...pieces(prompt), ...before];
  return { before: whole, chosen: better.answer, rejected: worse.answer };
}

/** Why a preference teaches nothing. */
export function preferenceFault(chosen: string, rejected: string): string | undefined {
  if (chosen.trim() === '' || rejected.trim() === '') return 'an answer is empty';
  return chosen === rejected ? 'chosen and rejected are the same' : undefined;
}

const isPreference = hasKeys('chosen', 'rejected');

const rowId = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  prompt_id: z.string().optional(),
});

export const trlPreference: Layout = rowLayout(
  'trl-preference',
  'preference pairs: prompt, chosen, rejected (TRL; UltraFeedback binarized)',
  isPreference,
  dpoLine.and(rowId),
  (row, number) => {
    const { before, chosen, rejected } = preferenceOf(row);
    const fault = preferenceFault(chosen, rejected);
    if (fault) return leftOut(fault);
    const id = String(row.prompt_id ?? row.id ?? number);
    return gave({ kind: 'preference', id, turns: turnsOf(before), chosen, rejected });
  },
);

export const trlSft: Layout = rowLayout(
  'trl-sft',
  'demonstrations: prompt and completion, or messages (TRL)',
  (row) =>
    !isPreference(row) && isPlainObject(row) && ('messages' in row || hasKeys('prompt', 'completion')(row)),
  sftLine.and(rowId),
  (row, number) => {
    const id = String(row.id ?? row.prompt_id ?? number);
    const all = completionsOf(row);
    return gave(
      ...all.map(({ before, answer }, i) => ({
        kind: 'instruction' as const,
        id: all.length > 1 ? `${id}.${i + 1}` : id,
        turns: turnsOf(before),
        response: answer,
      })),
    );
  },
);
