/**
 * Owns: all layouts there are, and which one a file has: told from the keys of its first rows, never from its name.
 */
import { isPlainObject } from '../protocol/plain.js';
import { alpacaEvalAnnotations, alpacaEvalOutputs } from './alpaca-eval.js';
import {
  alpaca,
  instructionPrompts,
  promptResponse,
  prompts,
  selfInstruct,
  shareGpt,
} from './instructions.js';
import { llmBar, llmBarResults, pandaLm, pandaLmVerdicts } from './judgements.js';
import type { Layout } from './layout.js';
import { mtBenchAnswers, mtBenchPairs, mtBenchQuestions, mtBenchScores } from './mt-bench.js';
import { oaGroups, oaMessages, oaRoots, oaTrees } from './open-assistant.js';
import { hhRlhf, ultraFeedback } from './preferences.js';
import type { Rows } from './rows.js';
import { trlPreference, trlSft } from './trl.js';

/** In this order: of two that know as many rows, the first. */
export const layouts: readonly Layout[] = [
  oaTrees,
  oaMessages,
  oaRoots,
  oaGroups,
  hhRlhf,
  ultraFeedback,
  alpacaEvalAnnotations,
  alpacaEvalOutputs,
  mtBenchQuestions,
  mtBenchAnswers,
  mtBenchScores,
  mtBenchPairs,
  llmBar,
  llmBarResults,
  pandaLm,
  pandaLmVerdicts,
  selfInstruct,
  alpaca,
  shareGpt,
  trlPreference,
  trlSft,
  promptResponse,
  prompts,
  instructionPrompts,
];

/** Rows looked at. */
const LOOK = 20;
/** A row with more keys is none: a vocabulary has every key. */
const MAX_KEYS = 200;

export interface Recognised {
  readonly layout: Layout | undefined;
  /** Keys of the first row that could be parsed, for a reader whose file is not known. */
  readonly keys: readonly string[];
}

/** The layout that knows most of the first rows, and more than half of those that are JSON; broken rows are few. */
export async function recognise(rows: Rows): Promise<Recognised> {
  const seen: unknown[] = [];
  let looked = 0;
  try {
    for await (const row of rows.rows()) {
      if ('value' in row && !(isPlainObject(row.value) && Object.keys(row.value).length > MAX_KEYS))
        seen.push(row.value);
      if (++looked >= LOOK) break;
    }
  } catch (error) {
    // What broke is told by whoever reads the whole file.
    if (seen.length === 0) throw error;
  }
  const counts = layouts.map((layout) => seen.filter((value) => layout.recognises(value)).length);
  const most = Math.max(...counts);
  const first = seen.find(isPlainObject);
  return {
    layout: most > seen.length / 2 && most > looked / 4 ? layouts[counts.indexOf(most)] : undefined,
    keys: first ? Object.keys(first).slice(0, 12) : [],
  };
}
