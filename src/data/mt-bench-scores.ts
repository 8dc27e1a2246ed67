/**
 * Owns: MT-Bench's table of judged answers: means as FastChat's show_result.py takes them (a score of −1 is left out, repeated
 * judgements count each), by model, by turn and, where the questions are known, by category.
 */
import { mean } from '../stats.js';
import { CONTRADICTION } from './mt-bench.js';
import { type DataFile, readOutcomes, readRecords } from './read.js';

export interface MtBenchMeans {
  readonly model: string;
  readonly mean: number | null;
  readonly n: number;
  readonly turns: Readonly<Record<string, { readonly mean: number | null; readonly n: number }>>;
  readonly categories: Readonly<Record<string, { readonly mean: number | null; readonly n: number }>>;
}

export interface MtBenchTable {
  readonly models: readonly MtBenchMeans[];
  /** Judgements that could not be read. */
  readonly unread: number;
  readonly judgements: number;
  /** Scores that are not the rating in the judgement's words. */
  readonly contradictions: number;
}

interface Scored {
  readonly id: string;
  readonly model: string;
  readonly turn: number;
  readonly score: number;
}

const meansBy = (scored: readonly Scored[], keyOf: (one: Scored) => string | undefined) => {
  const groups = new Map<string, number[]>();
  for (const one of scored) {
    const key = keyOf(one);
    if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), one.score]);
  }
  const entries = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, scores]) => [key, { mean: mean(scores), n: scores.length }]));
};

export async function mtBenchTable(judgements: DataFile, questions?: DataFile): Promise<MtBenchTable> {
  const categories = new Map<string, string>();
  if (questions)
    for await (const { record } of readRecords(questions))
      if (record.kind === 'question' && record.category) categories.set(record.id, record.category);
  const scored: Scored[] = [];
  let rows = 0;
  let unread = 0;
  let contradictions = 0;
  for await (const outcome of readOutcomes(judgements)) {
    rows++;
    if ('left' in outcome && outcome.left.includes(CONTRADICTION)) contradictions++;
    if ('fault' in outcome || outcome.records.length === 0) unread++;
    else
      for (const record of outcome.records)
        if (record.kind === 'annotation' && record.score !== null)
          scored.push({
            id: record.id,
            model: record.answers[0]!.model ?? '',
            turn: record.turn ?? 1,
            score: record.score,
          });
  }
  const models = [...new Set(scored.map(({ model }) => model))].sort().map((model) => {
    const own = scored.filter((one) => one.model === model);
    return {
      model,
      mean: mean(own.map(({ score }) => score)),
      n: own.length,
      turns: meansBy(own, ({ turn }) => String(turn)),
      categories: meansBy(own, ({ id }) => categories.get(id)),
    };
  });
  return { models, unread, judgements: rows, contradictions };
}
