/**
 * The bodies of the two endpoints, validated: what is supported is typed, what would change the answer but isn't supported is
 * refused by name, what changes nothing (`user`, `metadata` …) is ignored.
 */
import { z } from 'zod';
import type { ChatMessage } from '../lm/chat-template.js';
import { refusal } from './refusal.js';

const MOST_CHOICES = 64;
const wholeNumber = (low: number, high = Number.MAX_SAFE_INTEGER) => z.number().int().min(low).max(high);
const stops = z
  .union([z.string().min(1).max(1000), z.array(z.string().min(1).max(1000)).max(16)])
  .nullish()
  .transform((value) => (value == null ? [] : typeof value === 'string' ? [value] : value));

const shared = {
  model: z.string(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  n: wholeNumber(1, MOST_CHOICES).nullish(),
  stop: stops,
  seed: wholeNumber(Number.MIN_SAFE_INTEGER).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
};

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const content = z
  .union([z.string(), z.array(textPart)], 'text, or parts of type "text"')
  .transform((value) => (typeof value === 'string' ? value : value.map(({ text }) => text).join('')));
const message = z
  .looseObject({ role: z.enum(['system', 'developer', 'user', 'assistant']), content })
  .transform(({ role, content }): ChatMessage => ({ role: role === 'developer' ? 'system' : role, content }));

const chatSchema = z.looseObject({
  ...shared,
  messages: z.array(message).min(1),
  max_tokens: wholeNumber(1).nullish(),
  max_completion_tokens: wholeNumber(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: wholeNumber(0, 20).nullish(),
});
export type ChatRequest = z.infer<typeof chatSchema>;

const ids = z.array(wholeNumber(0)).min(1);
const completionSchema = z.looseObject({
  ...shared,
  prompt: z.union(
    [z.string(), z.array(z.string()).min(1), ids, z.array(ids).min(1)],
    'text, texts, token ids, or lists of token ids',
  ),
  max_tokens: wholeNumber(0).nullish(),
  logprobs: wholeNumber(0, 20).nullish(),
  echo: z.boolean().nullish(),
  best_of: wholeNumber(1).nullish(),
});
export type CompletionRequest = z.infer<typeof completionSchema>;

type Body = Readonly<Record<string, unknown>>;
const isEmpty = (value: unknown): boolean =>
  value == null ||
  value === 0 ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0);
const textFormat = (value: unknown): boolean =>
  value == null || (typeof value === 'object' && (value as { type?: unknown }).type === 'text');

/** Field → whether its value asks for nothing. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: isEmpty,
  functions: isEmpty,
  response_format: textFormat,
  presence_penalty: isEmpty,
  frequency_penalty: isEmpty,
  logit_bias: isEmpty,
  suffix: isEmpty,
  audio: isEmpty,
};

function checkSupported(body: Body): void {
  for (const [param, harmless] of Object.entries(UNSUPPORTED))
    if (Object.hasOwn(body, param) && !harmless(body[param]))
      throw refusal(400, `${param} is not supported by this server`, {
        param,
        code: 'unsupported_parameter',
      });
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) {
    checkSupported(body as Body);
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  const param = issue!.path.join('.');
  throw refusal(400, param === '' ? issue!.message : `${param}: ${issue!.message}`, {
    ...(param !== '' && { param }),
    code: 'invalid_value',
  });
}

export function chatRequest(body: unknown): ChatRequest {
  const request = parse(chatSchema, body);
  if ((request.top_logprobs ?? 0) > 0 && request.logprobs !== true)
    throw refusal(400, 'top_logprobs needs logprobs: true', { param: 'top_logprobs' });
  return request;
}

export function completionRequest(body: unknown): CompletionRequest {
  const request = parse(completionSchema, body);
  if (request.best_of != null && request.best_of !== (request.n ?? 1))
    throw refusal(400, 'best_of is not supported by this server', {
      param: 'best_of',
      code: 'unsupported_parameter',
    });
  if (promptsOf(request).length * (request.n ?? 1) > MOST_CHOICES)
    throw refusal(400, `prompts × n may be ${MOST_CHOICES} at most`, { param: 'prompt' });
  if (request.max_tokens === 0 && request.echo !== true)
    throw refusal(400, 'max_tokens: 0 makes sense with echo only', { param: 'max_tokens' });
  return request;
}

/** One text or one list of ids a prompt. */
export function promptsOf({ prompt }: CompletionRequest): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}
