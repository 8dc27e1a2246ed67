/**
 * Owns: what a config says of an OpenAI-compatible server. A key never stands here: only the name of the environment variable
 * that holds it. What can hold a secret (an address with a password, a key in its query) is refused, and no error repeats it.
 */
import { z } from 'zod';

export const ENDPOINT_NAME = /^[A-Za-z]\w{0,63}$/;

/** Whom requests to a server are said to. */
export type EndpointAddress = `endpoint:${string}`;
export const endpointAddress = (name: string): EndpointAddress => `endpoint:${name}`;
export const isEndpointAddress = (address: string): address is EndpointAddress =>
  address.startsWith('endpoint:');

/** Why an address can't be used, or null. */
function urlProblem(text: string): string | null {
  if (!URL.canParse(text)) return 'is no URL; e.g. http://127.0.0.1:8000/v1';
  const { protocol, username, password, search, hash } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:')
    return 'must begin with http:// or https://, e.g. http://127.0.0.1:8000/v1';
  if (username !== '' || password !== '')
    return 'holds credentials; put the key into an environment variable and name that with keyEnv';
  if (search !== '' || hash !== '')
    return 'has a query or fragment; a key belongs into an environment variable, named with keyEnv';
  return null;
}

const url = z.string().superRefine((text, context) => {
  const problem = urlProblem(text);
  if (problem !== null) context.addIssue({ code: 'custom', message: problem });
});

const SECRET = /key|token|secret|auth|password/i;

const fields = {
  /** Up to and with `/v1`. */
  url,
  /** What the server calls the model. */
  model: z.string().min(1),
  /** `auto`: chat where the request goes through a chat template, else completions of the raw text. */
  api: z.enum(['auto', 'chat', 'completions']).default('auto'),
  /** Name of the environment variable that holds the key; absent = no key. */
  keyEnv: z
    .string()
    .regex(
      /^[A-Z_][A-Z0-9_]{0,63}$/,
      'is no name of an environment variable (capitals, digits and _); the key itself belongs into that variable',
    )
    .optional(),
  /** Requests under way at once. */
  concurrency: z.number().int().min(1).max(1024).default(8),
  /** Of one request, to its whole answer. */
  timeoutSeconds: z.number().positive().max(300).default(120),
  /** A request is sent again at most this often where the server itself failed (500) or gave no answer in time. */
  retries: z.number().int().min(0).max(100).default(4),
  /** How long a server may be away (refused, reset, 429, 502–504) before the run stops; `resume` goes on with it. */
  patienceSeconds: z.number().min(0).max(86_400).default(600),
  /** Ask for log-probs. */
  logprobs: z.boolean().default(true),
  /** Send a seed, made of each sample's own random key. */
  seed: z.boolean().default(true),
  /** Ask for all samples of a prompt in one request (`n`), with the seed of the first; else one request a sample. */
  n: z.boolean().default(false),
  /** Stop texts that are sent, at most (OpenAI takes 4); at the others the text is cut here. */
  stops: z.number().int().min(0).max(16).default(16),
  /** What the server's chat calls the most tokens of an answer; OpenAI's newer models take the second name only. */
  limit: z.enum(['max_tokens', 'max_completion_tokens']).default('max_tokens'),
  /** Send temperature and top-p; models that reason often take none. */
  sampling: z.boolean().default(true),
  /** Per million tokens; 0 and 0 = not known. */
  price: z
    .strictObject({
      input: z.number().min(0).default(0),
      output: z.number().min(0).default(0),
      currency: z.string().min(1).max(8).default('USD'),
    })
    .prefault({}),
};

/** A key in the config is refused with the way out, whatever it is called; its value is not repeated. */
const endpoint = z.strictObject(fields, {
  error: ({ code, keys }) =>
    code === 'unrecognized_keys' && (keys as readonly string[]).some((one) => SECRET.test(one))
      ? `${keys}: a key never stands in a config; put it into an environment variable and name that with keyEnv`
      : undefined,
});
export type EndpointConfig = z.output<typeof endpoint>;

export const endpointsSchema = z
  .record(z.string(), endpoint)
  .superRefine((named, context) => {
    for (const name of Object.keys(named).filter((one) => !ENDPOINT_NAME.test(one)))
      context.addIssue({ code: 'custom', path: [name], message: 'a name has letters, digits and _ only' });
  })
  .default({});
export type Endpoints = Readonly<Record<string, EndpointConfig>>;
