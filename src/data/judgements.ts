/**
 * Owns: people's verdicts on two answers, and judges' recorded ones on the same: LLMBar and PandaLM.
 */
import { z } from 'zod';
import { asked } from './instructions.js';
import { gave, hasKeys, type Layout, rowLayout } from './layout.js';
import { type AnnotationRecord, user } from './records.js';

const pair = (
  id: string,
  question: string,
  texts: readonly [string, string],
  by: string,
  preference: number | null,
): AnnotationRecord => ({
  kind: 'annotation',
  id,
  turns: [user(question)],
  answers: texts.map((text) => ({ text, model: null })),
  by,
  preference,
  score: null,
});

const label = z.union([z.literal(1), z.literal(2)]);
const llmBarRow = z.object({ input: z.string(), output_1: z.string(), output_2: z.string(), label });

const isLlmBar = hasKeys('input', 'output_1', 'output_2', 'label');
export const llmBar: Layout = rowLayout(
  'llmbar',
  'LLMBar: two outputs and people’s choice',
  (row) => isLlmBar(row) && !('results' in row),
  llmBarRow,
  (row, number) => gave(pair(String(number), row.input, [row.output_1, row.output_2], 'people', row.label)),
);

/** `null`: the parser of LLMBar found no winner in the judge's words. */
const winner = z.object({
  winner: z.string().nullable(),
  completion: z.tuple([z.string(), z.string()]).optional(),
});
const round = z.object({
  score_1: z.tuple([z.string(), z.string()]).optional(),
  score_2: z.tuple([z.string(), z.string()]).optional(),
  'swap = False': winner,
  'swap = True': winner,
});
export type LlmBarRound = z.infer<typeof round>;

/** Before its last round an evaluator may have written metrics or a reference answer: a text and why it ended. */
const notes = z.tuple([z.string(), z.string()]);
export const llmBarResultRow = llmBarRow.extend({
  results: z
    .array(z.union([round, notes]))
    .min(1)
    .refine((all) => !Array.isArray(all.at(-1)), { error: 'the last result holds no winner' }),
});
export type LlmBarResult = z.infer<typeof llmBarResultRow>;

/** The round that counts. */
export const lastRound = ({ results }: LlmBarResult): LlmBarRound => results.at(-1) as LlmBarRound;

const preferenceOf = (won: string | null): number | null => (won === '1' ? 1 : won === '2' ? 2 : null);

export const llmBarResults: Layout = rowLayout(
  'llmbar-results',
  'LLMBar: a judge’s recorded outputs in both orders',
  (row) => isLlmBar(row) && hasKeys('results')(row),
  llmBarResultRow,
  (row, number) => {
    const id = String(number);
    const texts = [row.output_1, row.output_2] as const;
    const last = lastRound(row);
    const said = [last['swap = False'], last['swap = True']].map((one) => preferenceOf(one.winner));
    const judged = said.flatMap((preference, i) =>
      preference === null
        ? []
        : [pair(id, row.input, texts, i === 0 ? 'judge' : 'judge (swapped)', preference)],
    );
    const left = judged.length < 2 ? ['no winner in the judge’s words'] : [];
    return { records: [pair(id, row.input, texts, 'people', row.label), ...judged], left };
  },
);

/** The published test set has six responses that are `true` or `false` unquoted; PandaLM's own code prints them like this. */
const response = z.union([z.string(), z.boolean().transform((value) => (value ? 'True' : 'False'))]);

/** 0 is a tie. */
const vote = z.union([z.literal(0), z.literal(1), z.literal(2)]);
const PREFERENCE = [1.5, 1, 2] as const;

export const pandaLm: Layout = rowLayout(
  'pandalm',
  'PandaLM: two responses and three annotators',
  hasKeys('instruction', 'response1', 'response2', 'annotator1'),
  z.object({
    idx: z.number().int(),
    instruction: z.string(),
    input: z.string().nullish(),
    response1: response,
    response2: response,
    cmp_key: z.string().optional(),
    annotator1: vote,
    annotator2: vote,
    annotator3: vote,
  }),
  (row) => {
    const question = asked(row.instruction, row.input);
    const texts = [row.response1, row.response2] as const;
    const votes = [row.annotator1, row.annotator2, row.annotator3];
    return gave(
      ...votes.map((one, i) => pair(String(row.idx), question, texts, `annotator ${i + 1}`, PREFERENCE[one])),
    );
  },
);

/** A recorded verdict: 1, 2, 0 or `Tie`; anything else (`garbage`) is none. */
const said = z
  .union([z.string(), z.number()])
  .transform((value): 0 | 1 | 2 | null =>
    value === 1 || value === '1'
      ? 1
      : value === 2 || value === '2'
        ? 2
        : value === 0 || /^(0|tie)$/i.test(String(value))
          ? 0
          : null,
  );

export const pandaLmVerdictRow = z
  .object({ idx: z.number().int(), gpt_result: said.optional(), pandalm_result: said.optional() })
  .transform(({ idx, gpt_result, pandalm_result }) => ({
    idx,
    by: gpt_result === undefined ? 'pandalm' : 'gpt',
    verdict: gpt_result ?? pandalm_result ?? null,
  }));

export const pandaLmVerdicts: Layout = rowLayout(
  'pandalm-verdicts',
  'PandaLM: a judge’s recorded verdicts',
  (row) => hasKeys('idx', 'gpt_result')(row) || hasKeys('idx', 'pandalm_result')(row),
  pandaLmVerdictRow,
  ({ idx, by, verdict }) =>
    verdict === null
      ? { records: [], left: ['no verdict in the judge’s words'] }
      : gave({
          kind: 'annotation',
          id: String(idx),
          turns: [],
          answers: [1, 2].map(() => ({ text: null, model: null })),
          by,
          preference: PREFERENCE[verdict],
          score: null,
        }),
);
