/**
 * A validated request → the choices to make and the shape to tell them in. Refuses what the model has no room for.
 */

import type { ChatFormat } from './chat-format.js';
import { type ChoiceSpec, speaker, type TokenSaid, tokensOf, type Voice } from './choice.js';
import { refusal } from './refusal.js';
import { type ChatRequest, type CompletionRequest, promptsOf } from './requests.js';
import { chatShape, completionShape, type Said, type Shape } from './shapes.js';

export interface Job {
  readonly shape: Shape;
  readonly choices: readonly ChoiceSpec[];
  readonly promptTokens: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** What stands before a choice's own text: the prompt, where it is echoed. */
  echo(index: number): Promise<Said | null>;
}

/** Of a chat that names no limit. */
const CHAT_TOKENS = 1024;
/** Of a completion that names none, as OpenAI has it. */
const COMPLETION_TOKENS = 16;

type Sampling = Pick<ChoiceSpec, 'temperature' | 'topP' | 'stops' | 'seed'>;

/** Below it a division by the temperature says no more than the likeliest token does, and may leave the floats. */
const COLDEST = 0.001;

/** A mass of 0 holds no token: the likeliest one, then. */
const samplingOf = (request: ChatRequest | CompletionRequest, freshSeed: () => number): Sampling => {
  const topP = request.top_p ?? 1;
  const temperature = request.temperature ?? 1;
  return {
    temperature: topP === 0 || temperature < COLDEST ? 0 : temperature,
    topP: topP === 0 ? 1 : topP,
    stops: request.stop,
    seed: request.seed ?? freshSeed(),
  };
};

/** Characters that no token is longer than, with room to spare: a longer text is refused before it is encoded. */
const LONGEST_TOKEN = 100;

function checkLength(texts: readonly string[], { contextLength }: Voice, param: string): void {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length > LONGEST_TOKEN * contextLength)
    throw refusal(400, `${length} characters are more than the ${contextLength} tokens of this model hold`, {
      param,
      code: 'context_length_exceeded',
    });
}

function checkRoom(
  ids: readonly number[],
  { contextLength, tokenizer }: Voice,
  param: string,
  newTokens = 1,
): void {
  if (ids.length === 0) throw refusal(400, 'the prompt is empty: no token of this model', { param });
  if (ids.length + newTokens > contextLength)
    throw refusal(
      400,
      `the prompt has ${ids.length} tokens; this model takes ${contextLength}, answer included`,
      {
        param,
        code: 'context_length_exceeded',
      },
    );
  const odd = ids.find((id) => id >= tokenizer.vocabSize);
  if (odd !== undefined) throw refusal(400, `token ${odd} is none of this model’s`, { param });
}

const common = ({ stream, stream_options: options }: ChatRequest | CompletionRequest) => ({
  stream: stream === true,
  includeUsage: options?.include_usage === true,
});

export function chatJob(
  request: ChatRequest,
  format: ChatFormat,
  voice: Voice,
  freshSeed: () => number,
): Job {
  checkLength(
    request.messages.map(({ content }) => content),
    voice,
    'messages',
  );
  const promptIds = format.encode(request.messages);
  checkRoom(promptIds, voice, 'messages');
  const base = {
    ...samplingOf(request, freshSeed),
    promptIds,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? CHAT_TOKENS,
    stopIds: format.stopIds,
    logprobs: request.logprobs === true,
    continues: false,
  };
  return {
    ...common(request),
    shape: chatShape(base.logprobs ? (request.top_logprobs ?? 0) : null),
    choices: Array.from({ length: request.n ?? 1 }, (_, index) => ({ ...base, index })),
    promptTokens: promptIds.length,
    echo: async () => null,
  };
}

export function completionJob(request: CompletionRequest, voice: Voice, freshSeed: () => number): Job {
  const { tokenizer } = voice;
  const prompts = promptsOf(request).map((prompt) => {
    if (typeof prompt !== 'string') return prompt;
    checkLength([prompt], voice, 'prompt');
    return tokenizer.encodePrompt(prompt);
  });
  for (const ids of prompts) checkRoom(ids, voice, 'prompt', request.max_tokens === 0 ? 0 : 1);
  const sampling = samplingOf(request, freshSeed);
  const logprobs = request.logprobs != null;
  const n = request.n ?? 1;
  const choices = prompts.flatMap((promptIds, place) =>
    Array.from({ length: n }, (_, i) => ({
      ...sampling,
      promptIds,
      maxTokens: request.max_tokens ?? COMPLETION_TOKENS,
      stopIds: tokenizer.eosIds,
      logprobs,
      continues: true,
      index: place * n + i,
    })),
  );
  return {
    ...common(request),
    shape: completionShape(request.logprobs ?? null),
    choices,
    promptTokens: prompts.reduce((sum, ids) => sum + ids.length, 0),
    echo: async (index) => (request.echo === true ? echoOf(choices[index]!, voice) : null),
  };
}

/** A start token that was put before the prompt isn't part of its text. */
async function echoOf(choice: ChoiceSpec, { tokenizer, score }: Voice): Promise<Said> {
  const { promptIds, logprobs, index } = choice;
  const hidden = promptIds[0] === tokenizer.bosId ? 1 : 0;
  const shown = promptIds.slice(hidden);
  const speak = speaker({ ...choice, promptIds: [], continues: false }, tokenizer);
  let tokens: TokenSaid[] = [];
  if (logprobs) {
    const scored = [...(await score(promptIds))].map((value, i) => (i === 0 ? null : value));
    tokens = tokensOf(shown, speak, scored.slice(hidden));
  }
  return { index, text: speak(shown), tokens, finish: null };
}
