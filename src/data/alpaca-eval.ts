/**
 * Owns: AlpacaEval's files: model outputs, annotations and the win rate as its leaderboard counts it. An annotation's
 * preference is 1 where output_1 (the reference) is better, 2 where output_2 (the model) is, 1.5 for a tie, or between for
 * weighted annotators; what is no preference (0, null, NaN) is dropped.
 */
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { gave, hasKeys, type Layout, rowLayout } from './layout.js';
import { type AnnotationRecord, user } from './records.js';

export interface AlpacaEvalOutput {
  readonly instruction: string;
  readonly output: string;
  readonly generator: string;
  readonly dataset?: string | null | undefined;
}

export const alpacaEvalOutputs: Layout = rowLayout(
  'alpaca-eval-outputs',
  'AlpacaEval: model outputs',
  (row) => hasKeys('instruction', 'output', 'generator')(row) && !('preference' in row),
  z.object({
    instruction: z.string().min(1),
    output: z.string(),
    generator: z.string(),
    dataset: z.string().nullish(),
  }) satisfies z.ZodType<AlpacaEvalOutput>,
  ({ instruction, output, generator, dataset }, number) =>
    gave({
      kind: 'question',
      id: String(number),
      turns: [instruction],
      ...(dataset ? { category: dataset } : {}),
      answer: { model: generator, turns: [output] },
    }),
);

const annotation = z.object({
  instruction: z.string(),
  output_1: z.string(),
  output_2: z.string(),
  generator_1: z.string().nullish(),
  generator_2: z.string().nullish(),
  annotator: z.string().nullish(),
  preference: z.union([z.number().min(0).max(2), z.literal('NaN'), z.null()]),
});

export const alpacaEvalAnnotations: Layout = rowLayout(
  'alpaca-eval-annotations',
  'AlpacaEval: annotations',
  hasKeys('instruction', 'output_1', 'output_2', 'preference'),
  annotation,
  (row, number) => {
    const given = typeof row.preference === 'number' && row.preference >= 1 ? row.preference : null;
    const record: AnnotationRecord = {
      kind: 'annotation',
      id: String(number),
      turns: [user(row.instruction)],
      answers: [
        { text: row.output_1, model: row.generator_1 ?? null },
        { text: row.output_2, model: row.generator_2 ?? null },
      ],
      by: row.annotator ?? 'annotator',
      preference: given,
      score: null,
    };
    return given === null ? { records: [], left: ['no preference'] } : gave(record);
  },
);

export interface WinRate {
  /** Per cent, as the leaderboard prints it; null where nothing is counted. */
  readonly winRate: number | null;
  /** Sample standard deviation over √n, per cent. */
  readonly standardError: number | null;
  readonly wins: number;
  readonly draws: number;
  readonly losses: number;
  readonly total: number;
}

/** Mean of preference − 1, per cent. A preference within 1e-9 of 1.5 is a draw. */
export function winRate(preferences: readonly number[]): WinRate {
  const shares = preferences.map((preference) => preference - 1);
  const n = shares.length;
  const mean = n === 0 ? null : shares.reduce((sum, share) => sum + share, 0) / n;
  const squares = shares.reduce((sum, share) => sum + (share - (mean ?? 0)) ** 2, 0);
  const draws = shares.filter((share) => Math.abs(share - 0.5) < 1e-9).length;
  const wins = shares.filter((share) => share > 0.5 + 1e-9).length;
  return {
    winRate: mean === null ? null : 100 * mean,
    standardError: n < 2 ? null : (100 * Math.sqrt(squares / (n - 1))) / Math.sqrt(n),
    wins,
    draws,
    losses: n - wins - draws,
    total: n,
  };
}

/** The list that `alpaca_eval --model_outputs FILE` reads. */
export const writeAlpacaEvalOutputs = (file: string, outputs: readonly AlpacaEvalOutput[]): Promise<void> =>
  writeFile(
    file,
    `${JSON.stringify(
      outputs.map(({ instruction, output, generator, dataset }) => ({
        ...(dataset ? { dataset } : {}),
        instruction,
        output,
        generator,
      })),
      null,
      2,
    )}\n`,
  );
