/**
 * What a server of the OpenAI API has said, validated: text and end of each choice must be there, log-probs and usage may be
 * missing. Anything else is `endpoint.invalid` with the place that is wrong.
 */
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import type { Generation } from '../protocol/messages.js';

const tokens = z.number().int().min(0);
const usage = z
  .looseObject({ prompt_tokens: tokens, completion_tokens: tokens.default(0) })
  .nullish()
  .catch(null);
const index = tokens.nullish().catch(null);
const end = z.string().nullish().catch(null);
const listed = z.number().nullable();

const completion = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        index,
        text: z.string(),
        finish_reason: end,
        logprobs: z
          .looseObject({ token_logprobs: z.array(listed) })
          .nullish()
          .catch(null),
      }),
    )
    .min(1),
  usage,
});

const chat = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        index,
        message: z.looseObject({ content: z.string().nullable() }),
        finish_reason: end,
        logprobs: z
          .looseObject({ content: z.array(z.looseObject({ logprob: listed })) })
          .nullish()
          .catch(null),
      }),
    )
    .min(1),
  usage,
});

export interface Choice {
  readonly text: string;
  readonly finish: Generation['finish'];
  /** Σ of the tokens that the server lists, nats; null where it lists none. */
  readonly logprob: number | null;
}

export interface Answered {
  readonly choices: readonly Choice[];
  /** Null where the server doesn't tell. */
  readonly tokens: { readonly prompt: number; readonly completion: number } | null;
}

const finishOf = (reason: string | null | undefined): Generation['finish'] =>
  reason === 'length' ? 'length' : reason === 'content_filter' ? 'filtered' : 'stop';

function sumOf(logprobs: readonly (number | null)[] | undefined, text: string): number | null {
  if (logprobs === undefined || (logprobs.length === 0 && text !== '')) return null;
  let sum = 0;
  for (const one of logprobs) {
    if (one === null) return null;
    sum += one;
  }
  return sum;
}

/** A choice up to the first stop text in it: a server may know fewer of them than were asked for. */
function cut(choice: Choice, stop: readonly string[]): Choice {
  const at = Math.min(
    ...stop.map((one) => choice.text.indexOf(one)).filter((place) => place >= 0),
    choice.text.length,
  );
  return at === choice.text.length
    ? choice
    : { text: choice.text.slice(0, at), finish: 'stop', logprob: null };
}

function parsed<T>(schema: z.ZodType<T>, said: unknown): T {
  const result = schema.safeParse(said);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const where = path.length === 0 ? 'the answer' : path.join('.');
  throw new SoliloquyError('endpoint.invalid', `${where}: ${message}`, {
    fix: 'ask a server of the OpenAI API; endpoints.NAME.api says which of its two pages',
  });
}

const byIndex = <T extends { readonly index?: number | null | undefined }>(choices: readonly T[]): T[] =>
  [...choices].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));

export function answerOf(page: 'chat' | 'completions', said: unknown, stop: readonly string[]): Answered {
  const told = page === 'chat' ? chatChoices(said) : completionChoices(said);
  return {
    choices: told.choices.map((choice) => cut(choice, stop)),
    tokens: told.usage
      ? { prompt: told.usage.prompt_tokens, completion: told.usage.completion_tokens }
      : null,
  };
}

function completionChoices(said: unknown) {
  const { choices, usage } = parsed(completion, said);
  return {
    usage,
    choices: byIndex(choices).map(({ text, finish_reason, logprobs }): Choice => {
      const logprob = sumOf(logprobs?.token_logprobs, text);
      return { text, finish: finishOf(finish_reason), logprob };
    }),
  };
}

function chatChoices(said: unknown) {
  const { choices, usage } = parsed(chat, said);
  return {
    usage,
    choices: byIndex(choices).map(({ message, finish_reason, logprobs }): Choice => {
      const text = message.content ?? '';
      const logprob = sumOf(
        logprobs?.content.map((token) => token.logprob),
        text,
      );
      return { text, finish: finishOf(finish_reason), logprob };
    }),
  };
}
