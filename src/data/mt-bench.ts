/**
 * Owns: MT-Bench's files as FastChat's llm_judge has them: questions, model answers (references too), judgements of single
 * answers and of pairs; and answers written as `gen_judgment.py` reads them.
 */
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { isPlainObject } from '../protocol/plain.js';
import { gave, hasKeys, type Layout, leftOut, rowLayout } from './layout.js';
import type { AnnotationRecord } from './records.js';

const questionId = z.union([z.number(), z.string()]);
const judge = z.union([z.string(), z.array(z.string())]).transform((name) => [name].flat().join(' '));

export const mtBenchQuestions: Layout = rowLayout(
  'mt-bench-questions',
  'MT-Bench: questions',
  (row) => hasKeys('question_id', 'turns')(row) && !('choices' in row),
  z.object({
    question_id: questionId,
    category: z.string().optional(),
    turns: z.array(z.string().min(1)).min(1),
  }),
  ({ question_id, category, turns }) =>
    gave({ kind: 'question', id: String(question_id), turns, ...(category ? { category } : {}) }),
);

export interface MtBenchAnswer {
  readonly question_id: number | string;
  readonly answer_id: string;
  readonly model_id: string;
  readonly choices: readonly { readonly index: number; readonly turns: readonly string[] }[];
  /** Seconds since 1970. */
  readonly tstamp: number;
}

export const mtBenchAnswers: Layout = rowLayout(
  'mt-bench-answers',
  'MT-Bench: answers of a model',
  hasKeys('question_id', 'model_id', 'choices'),
  z.object({
    question_id: questionId,
    answer_id: z.string().optional(),
    model_id: z.string(),
    choices: z.array(z.object({ index: z.number(), turns: z.array(z.string()) })).min(1),
    tstamp: z.number().optional(),
  }),
  ({ question_id, model_id, choices }) => {
    const { turns } = choices[0]!;
    if (turns.every((turn) => turn.trim() === '')) return leftOut('answer empty');
    return gave({
      kind: 'question',
      id: String(question_id),
      turns: null,
      answer: { model: model_id, turns },
    });
  },
);

/** FastChat marks a judgement that couldn't be read by −1. */
const ERROR = -1;

/** The first `[[n]]` of a judgement, else the first `[n]`: as FastChat reads it. */
export function ratingIn(judgment: string): number | null {
  const found = /\[\[(\d+\.?\d*)\]\]/.exec(judgment) ?? /\[(\d+\.?\d*)\]/.exec(judgment);
  return found ? Number(found[1]) : null;
}

export const CONTRADICTION = 'the score is not the rating in the judgement';

export const mtBenchScores: Layout = rowLayout(
  'mt-bench-scores',
  'MT-Bench: judgements of single answers',
  hasKeys('question_id', 'model', 'judge', 'score'),
  z.object({
    question_id: questionId,
    model: z.string(),
    judge,
    judgment: z.string().optional(),
    score: z.number(),
    turn: z.number().int().min(1),
  }),
  ({ question_id, model, judge: by, judgment, score, turn }) => {
    if (score === ERROR) return leftOut('the judgement could not be read (score −1)');
    const record: AnnotationRecord = {
      kind: 'annotation',
      id: String(question_id),
      turns: [],
      answers: [{ text: null, model }],
      by,
      preference: null,
      score,
      turn,
    };
    const agrees = judgment === undefined || ratingIn(judgment) === score;
    return { records: [record], left: agrees ? [] : [CONTRADICTION] };
  },
);

const winner = z.union([z.literal('model_1'), z.literal('model_2'), z.literal('tie'), z.literal('error')]);
const PREFERENCE = { model_1: 1, model_2: 2, tie: 1.5, error: null } as const;

/** Two games, the second with the answers swapped: each is one annotation, said in the order of the first. */
export const mtBenchPairs: Layout = rowLayout(
  'mt-bench-pairs',
  'MT-Bench: judgements of pairs, in both orders',
  (row) => isPlainObject(row) && 'model_1' in row && ('g1_winner' in row || 'g2_winner' in row),
  z.object({
    question_id: questionId,
    model_1: z.string(),
    model_2: z.string(),
    g1_winner: winner,
    g2_winner: winner,
    judge,
    turn: z.number().int().min(1),
  }),
  (row) => {
    const games = [row.g1_winner, row.g2_winner].map((won) => PREFERENCE[won]);
    const records = games.flatMap((preference, game): AnnotationRecord[] =>
      preference === null
        ? []
        : [
            {
              kind: 'annotation',
              id: String(row.question_id),
              turns: [],
              answers: [row.model_1, row.model_2].map((model) => ({ text: null, model })),
              by: game === 0 ? row.judge : `${row.judge} (swapped)`,
              preference,
              score: null,
              turn: row.turn,
            },
          ],
    );
    return { records, left: records.length < 2 ? ['a game’s judgement could not be read'] : [] };
  },
);

/** `model_answer/NAME.jsonl`, sorted by question as FastChat's own writer leaves it. */
export const writeMtBenchAnswers = (file: string, answers: readonly MtBenchAnswer[]): Promise<void> =>
  writeFile(
    file,
    [...answers]
      .sort((a, b) => Number(a.question_id) - Number(b.question_id))
      .map(
        ({ question_id, answer_id, model_id, choices, tstamp }) =>
          `${JSON.stringify({ question_id, answer_id, model_id, choices, tstamp })}\n`,
      )
      .join(''),
  );
