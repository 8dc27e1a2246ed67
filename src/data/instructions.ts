/**
 * Owns: instructions with an answer in the layouts of Self-Instruct, Alpaca and ShareGPT, plain prompt/response rows, and
 * lists of bare prompts.
 */
import { z } from 'zod';
import { isPlainObject } from '../protocol/plain.js';
import { gave, hasKeys, type Layout, leftOut, rowLayout } from './layout.js';
import { type DataRecord, type Turn, user } from './records.js';

/** An instruction and its input, as one question: a blank line between them. */
export const asked = (instruction: string, input: string | null | undefined): string =>
  input?.trim() ? `${instruction}\n\n${input}` : instruction;

const rowId = z.union([z.string(), z.number()]).optional();

export const alpaca: Layout = rowLayout(
  'alpaca',
  'Alpaca: instruction, input, output',
  (row) => hasKeys('instruction', 'output')(row) && !('generator' in row),
  z.object({
    instruction: z.string().min(1),
    input: z.string().nullish(),
    output: z.string(),
    id: rowId,
  }),
  ({ instruction, input, output, id }, number) =>
    output.trim() === ''
      ? leftOut('output empty')
      : gave({
          kind: 'instruction',
          id: String(id ?? number),
          turns: [user(asked(instruction, input))],
          response: output,
        }),
);

export const selfInstruct: Layout = rowLayout(
  'self-instruct',
  'Self-Instruct: instruction with instances',
  hasKeys('instruction', 'instances'),
  z.object({
    id: rowId,
    instruction: z.string().min(1),
    instances: z.array(z.object({ input: z.string(), output: z.string() })),
  }),
  ({ id, instruction, instances }, number) => {
    const name = String(id ?? number);
    const used = instances.filter(({ output }) => output.trim() !== '');
    const records = used.map(
      ({ input, output }, i): DataRecord => ({
        kind: 'instruction',
        id: used.length > 1 ? `${name}.${i + 1}` : name,
        turns: [user(asked(instruction, input))],
        response: output,
      }),
    );
    if (instances.length === 0) return leftOut('no instance');
    return { records, left: used.length < instances.length ? ['an instance’s output is empty'] : [] };
  },
);

const SPEAKERS: Readonly<Record<string, Turn['role']>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  assistant: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  system: 'system',
};

export const shareGpt: Layout = rowLayout(
  'sharegpt',
  'ShareGPT: conversations of from and value',
  hasKeys('conversations'),
  z.object({
    id: rowId,
    conversations: z.array(
      z.object({
        from: z.string().refine((name) => Object.hasOwn(SPEAKERS, name), {
          error: `expected one of ${Object.keys(SPEAKERS).join(', ')}`,
        }),
        value: z.string(),
      }),
    ),
  }),
  ({ id, conversations }, number) => {
    const turns = conversations.map(({ from, value }): Turn => ({ role: SPEAKERS[from]!, content: value }));
    const first = turns.findIndex(({ role }) => role === 'user');
    const records = turns.flatMap(({ role, content }, i): DataRecord[] =>
      role === 'assistant' && first >= 0 && i > first && content.trim() !== ''
        ? [
            {
              kind: 'instruction',
              id: `${id ?? number}.${i}`,
              turns: turns.slice(0, i),
              response: content,
            },
          ]
        : [],
    );
    return { records, left: records.length === 0 ? ['no answer after a question'] : [] };
  },
);

export const promptResponse: Layout = rowLayout(
  'prompt-response',
  'demonstrations: prompt and response',
  hasKeys('prompt', 'response'),
  z.object({ id: rowId, prompt: z.string().min(1), response: z.string() }),
  ({ id, prompt, response }, number) =>
    response.trim() === ''
      ? leftOut('response empty')
      : gave({ kind: 'instruction', id: String(id ?? number), turns: [user(prompt)], response }),
);

const barePrompt = z.union([z.string(), z.object({ prompt: z.string() })]);
export const prompts: Layout = rowLayout(
  'prompts',
  'prompts without an answer',
  (row) =>
    typeof row === 'string' ||
    (isPlainObject(row) && Object.keys(row).every((key) => /^(id|prompt)$/.test(key))),
  barePrompt,
  (row, number) => {
    const text = typeof row === 'string' ? row : row.prompt;
    return text.trim() === ''
      ? leftOut('prompt empty')
      : gave({ kind: 'question', id: String(number), turns: [text] });
  },
);

const isInstruction = hasKeys('instruction');
export const instructionPrompts: Layout = rowLayout(
  'instruction-prompts',
  'instructions without an answer',
  (row) => isInstruction(row) && Object.keys(row).every((key) => !/output|response|choices/.test(key)),
  z.object({ id: rowId, instruction: z.string().min(1), input: z.string().nullish() }),
  ({ id, instruction, input }, number) =>
    gave({ kind: 'question', id: String(id ?? number), turns: [asked(instruction, input)] }),
);
