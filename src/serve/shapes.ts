/**
 * OpenAI's JSON of the two endpoints: whole answers, and the chunks of a stream. The engine gives the chosen token's
 * log-probability only, so lists of alternatives hold that one.
 */
import type { Piece, TokenSaid } from './choice.js';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export const usageOf = (prompt: number, completion: number): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
});

/** One answer, or what of it is new. */
export interface Said {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly TokenSaid[];
  readonly finish: Piece['finish'];
}

export interface Shape {
  readonly object: string;
  readonly chunkObject: string;
  choice(said: Said): unknown;
  /** The first chunk of a choice, where the protocol has one without text. */
  opening(index: number): unknown | null;
  chunk(said: Said): unknown;
}

/** Alternatives asked for; null: no log-probabilities at all. */
export type Alternatives = number | null;

const chatLogprobs = (tokens: readonly TokenSaid[], alternatives: Alternatives) => {
  if (alternatives === null) return null;
  const content = tokens.map(({ text, logprob }) => {
    const said = { token: text, logprob, bytes: [...Buffer.from(text)] };
    return { ...said, top_logprobs: alternatives > 0 ? [said] : [] };
  });
  return { content, refusal: null };
};

export function chatShape(alternatives: Alternatives): Shape {
  const chunk = (index: number, delta: object, finish: Piece['finish'], tokens: readonly TokenSaid[]) => ({
    index,
    delta,
    logprobs: chatLogprobs(tokens, alternatives),
    finish_reason: finish,
  });
  return {
    object: 'chat.completion',
    chunkObject: 'chat.completion.chunk',
    choice: ({ index, text, tokens, finish }) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: chatLogprobs(tokens, alternatives),
      finish_reason: finish,
    }),
    opening: (index) => chunk(index, { role: 'assistant', content: '' }, null, []),
    chunk: ({ index, text, tokens, finish }) =>
      chunk(index, text === '' && finish !== null ? {} : { content: text }, finish, tokens),
  };
}

const completionLogprobs = (tokens: readonly TokenSaid[], alternatives: Alternatives) =>
  alternatives === null
    ? null
    : {
        tokens: tokens.map(({ text }) => text),
        token_logprobs: tokens.map(({ logprob }) => logprob),
        top_logprobs:
          alternatives === 0
            ? null
            : tokens.map(({ text, logprob }) => (logprob === null ? null : { [text]: logprob })),
        text_offset: tokens.map(({ offset }) => offset),
      };

export function completionShape(alternatives: Alternatives): Shape {
  const choice = ({ index, text, tokens, finish }: Said) => ({
    index,
    text,
    logprobs: completionLogprobs(tokens, alternatives),
    finish_reason: finish,
  });
  return {
    object: 'text_completion',
    chunkObject: 'text_completion',
    choice,
    opening: () => null,
    chunk: choice,
  };
}
