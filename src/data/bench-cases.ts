/**
 * Owns: what a judge is measured on: any layout that holds people's preferences as ranked groups (a pair is a group of two),
 * and recorded verdicts as judged pairs. Holds the whole bench in memory: benches are small.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { Choice, JudgedPair } from '../stages/agreement.js';
import type { JudgedRanking } from '../stages/measures.js';
import { type LlmBarResult, llmBarResultRow, pandaLmVerdictRow } from './judgements.js';
import { shaped } from './layout.js';
import {
  contradictions,
  type LlmBarStatistics,
  llmBarStatistics,
  pairsOfLlmBar,
  rankingsOfLlmBar,
} from './llmbar-statistics.js';
import { type PandaLmStatistics, pandaLmStatistics } from './pandalm-statistics.js';
import { type DataFile, readRecords } from './read.js';
import { type AnnotationRecord, promptText } from './records.js';

export interface BenchGroup {
  readonly id: string;
  readonly prompt: string;
  /** `value`: people's order, higher is better; equal for a tie. */
  readonly responses: readonly { readonly text: string; readonly value: number }[];
}

/** The people's verdict of one pair: the majority of the votes; without one, a tie. */
export function majority(votes: readonly (0 | 1 | 2)[]): 0 | 1 | 2 {
  const count = (choice: 0 | 1 | 2) => votes.filter((vote) => vote === choice).length;
  return count(1) > votes.length / 2 ? 1 : count(2) > votes.length / 2 ? 2 : 0;
}

const voteOf = ({ preference }: AnnotationRecord): 0 | 1 | 2 =>
  preference === null || preference === 1.5 ? 0 : preference < 1.5 ? 1 : 2;

/** Annotations of pairs whose texts are known, grouped by id. */
export function pairGroups(annotations: readonly AnnotationRecord[]): BenchGroup[] {
  const byId = new Map<string, AnnotationRecord[]>();
  for (const one of annotations) byId.set(one.id, [...(byId.get(one.id) ?? []), one]);
  return [...byId].flatMap(([id, votes]) => {
    const [a, b] = votes[0]!.answers;
    if (a?.text == null || b?.text == null) return [];
    const human = majority(votes.map(voteOf));
    return [
      {
        id,
        prompt: promptText(votes[0]!.turns),
        responses: [
          { text: a.text, value: human === 1 ? 1 : 0 },
          { text: b.text, value: human === 2 ? 1 : 0 },
        ],
      },
    ];
  });
}

/** Everything in the file that people put in order. */
export async function benchGroups(data: DataFile): Promise<readonly BenchGroup[]> {
  const groups: BenchGroup[] = [];
  const annotations: AnnotationRecord[] = [];
  for await (const { record } of readRecords(data)) {
    if (record.kind === 'ranked')
      groups.push({ id: record.id, prompt: promptText(record.turns), responses: record.responses });
    else if (record.kind === 'preference') {
      const responses = [
        { text: record.chosen, value: 1 },
        { text: record.rejected, value: 0 },
      ];
      groups.push({ id: record.id, prompt: promptText(record.turns), responses });
    } else if (record.kind === 'annotation' && !record.by.startsWith('judge')) annotations.push(record);
  }
  const all = [...groups, ...pairGroups(annotations)];
  if (all.length > 0) return all;
  throw new SoliloquyError(
    'data.invalid',
    `${data.file} (${data.layout.name}) holds no preference of people`,
    {
      file: data.file,
      layout: data.layout.name,
      fix: 'name LLMBar, PandaLM, Open Assistant or preference data; `soliloquy data` tells what a file is',
    },
  );
}

/** What another judge said of the bench. */
export interface RecordedBench {
  readonly pairs: readonly JudgedPair[];
  /** Where each answer was scored. */
  readonly rankings: readonly JudgedRanking[];
  readonly scale: number;
  /** What the bench's own authors print of such a file. */
  readonly published?: LlmBarStatistics | PandaLmStatistics;
  /** Rows whose recorded winners are not what their recorded scores say. */
  readonly contradictions?: number;
}

async function parsedRows<T>(data: DataFile, read: (value: unknown) => T): Promise<T[]> {
  const rows: T[] = [];
  for await (const row of data.rows.rows()) {
    if ('fault' in row) throw unusable(data.file, `row ${row.number}: ${row.fault}`);
    try {
      rows.push(read(row.value));
    } catch (error) {
      throw unusable(data.file, `row ${row.number}: ${(error as Error).message}`);
    }
  }
  return rows;
}

const unusable = (file: string, why: string): SoliloquyError =>
  new SoliloquyError('data.invalid', `${file}: ${why}`, {
    file,
    fix: 'name recorded outputs of the same data: LLMBar result files, PandaLM verdicts',
  });

/** LLMBar's recorded outputs, checked to be of the same rows. */
async function llmBarBench(data: DataFile, recorded: DataFile): Promise<RecordedBench> {
  const rows = await parsedRows(recorded, (value): LlmBarResult => shaped(llmBarResultRow, value));
  const bench = await benchGroups(data);
  if (bench.length !== rows.length)
    throw unusable(recorded.file, `${rows.length} rows, but ${data.file} has ${bench.length}`);
  for (const [i, { input, output_1, output_2, label }] of rows.entries()) {
    const { prompt, responses } = bench[i]!;
    const human = responses[0]!.value === 1 ? 1 : 2;
    if (
      prompt !== input ||
      responses[0]!.text !== output_1 ||
      responses[1]!.text !== output_2 ||
      human !== label
    )
      throw unusable(recorded.file, `row ${i + 1} is not row ${i + 1} of ${data.file}`);
  }
  return {
    pairs: pairsOfLlmBar(rows),
    rankings: rankingsOfLlmBar(rows),
    scale: 10,
    published: llmBarStatistics(rows),
    contradictions: contradictions(rows),
  };
}

async function pandaLmBench(data: DataFile, recorded: DataFile): Promise<RecordedBench> {
  const said = await parsedRows(recorded, (value) => shaped(pandaLmVerdictRow, value));
  const verdicts = new Map(said.map(({ idx, verdict }) => [String(idx), verdict as Choice]));
  const pairs = (await benchGroups(data)).map(({ id, responses }): JudgedPair => {
    const asShown = verdicts.get(id);
    if (asShown === undefined) throw unusable(recorded.file, `no verdict on idx ${id} of ${data.file}`);
    const [a, b] = responses;
    return { human: a!.value === b!.value ? 0 : a!.value > b!.value ? 1 : 2, asShown };
  });
  return { pairs, rankings: [], scale: 0, published: pandaLmStatistics(pairs) };
}

export function recordedBench(data: DataFile, recorded: DataFile): Promise<RecordedBench> {
  const [a, b] = [data.layout.name, recorded.layout.name];
  if (b === 'llmbar-results' && (a === 'llmbar' || a === b)) return llmBarBench(data, recorded);
  if (b === 'pandalm-verdicts' && a === 'pandalm') return pandaLmBench(data, recorded);
  throw unusable(recorded.file, `recorded outputs of layout ${b} don't belong to data of layout ${a}`);
}
