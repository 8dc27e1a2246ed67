/**
 * transformers, in whatever Python has it, asked through assets/parity.py: one question on standard input, one line of JSON
 * back. Owns the process; knows nothing of what the numbers should be.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { assetsFolder } from './package.js';

export interface Question {
  readonly model: string;
  readonly sequences: readonly (readonly number[])[];
  readonly prompts: readonly (readonly number[])[];
  readonly newTokens: number;
}

const saidSchema = z.object({
  transformers: z.string(),
  torch: z.string(),
  class: z.string(),
  /** Of all tokens but a sequence's first. */
  logprobs: z.array(z.array(z.number())),
  /** `leads`: how far the best logit leads the second, a token. */
  greedy: z.array(z.object({ ids: z.array(z.number()), leads: z.array(z.number()) })),
});
export type Said = z.infer<typeof saidSchema>;
const answerSchema = z.union([z.object({ missing: z.string() }), saidSchema]);

/** `missing`: this Python can't be asked, and why. */
export type Answer = z.infer<typeof answerSchema>;

/** SOLILOQUY_PYTHON, else python3. */
export const defaultPython = (): string => process.env.SOLILOQUY_PYTHON ?? 'python3';

export async function askTransformers(python: string, question: Question): Promise<Answer> {
  const ended = await run(python, JSON.stringify(question));
  if ('missing' in ended) return ended;
  const { code, out, err } = ended;
  const failed = (why: string, options: { cause?: unknown } = {}) =>
    new SoliloquyError(
      'backend.unavailable',
      `transformers could not answer: ${why}`,
      {
        python,
        exitCode: code,
        stderr: err.slice(-2000),
        fix: 'Does this Python load the checkpoint by itself, with AutoModelForCausalLM.from_pretrained?',
      },
      options,
    );
  if (code !== 0) throw failed(err.trim().split('\n').at(-1) || `${python} ended with ${code}`);
  try {
    return answerSchema.parse(JSON.parse(out.trim().split('\n').at(-1) ?? ''));
  } catch (cause) {
    throw failed(`${python} said something else than JSON of the expected form`, { cause });
  }
}

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

function run(python: string, input: string): Promise<Ended | { readonly missing: string }> {
  return new Promise((resolve) => {
    const child = spawn(python, [join(assetsFolder(), 'parity.py')], { stdio: 'pipe' });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', (error) => resolve({ missing: `${python} does not run: ${reasonOf(error)}` }));
    child.on('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => undefined); // it ended before it read: its exit code says why
    child.stdin.end(input);
  });
}
