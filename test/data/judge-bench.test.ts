import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { majority, recordedBench } from '../../src/data/bench-cases.js';
import { mtBenchTable } from '../../src/data/mt-bench-scores.js';
import { openData } from '../../src/data/read.js';
import type { DataRecord } from '../../src/data/records.js';
import { surveyFile } from '../../src/data/survey.js';
import { cohenKappa } from '../../src/stages/agreement.js';
import { testFolder } from '../support/folder.js';
import { noSharedData, sharedData } from './shared-data.js';

const skipped = noSharedData ? ` (skipped: ${noSharedData})` : '';
const judgeOutputs = noSharedData
  ? []
  : readdirSync(sharedData('llmbar/judge_outputs'))
      .filter((name) => name.endsWith('__result.json'))
      .map((name) => name.replace('__result.json', ''));
const open = (...path: string[]) => openData(sharedData(...path));

describe.skipIf(noSharedData)(`recorded judges against published numbers${skipped}`, () => {
  it.each(judgeOutputs)('LLMBar %s: every published statistic to the last digit', async (name) => {
    const { published, contradictions } = await recordedBench(
      await open('llmbar/LLMBar_Natural.json'),
      await open(`llmbar/judge_outputs/${name}__result.json`),
    );
    const theirs = readFileSync(sharedData(`llmbar/judge_outputs/${name}__statistics.json`), 'utf8');
    expect(published).toEqual(JSON.parse(theirs));
    expect(contradictions).toBe(0);
  });

  it('all kinds are among them', () => {
    const kinds = new Set(judgeOutputs.map((name) => name.split('__')[2]));
    expect([...kinds].sort()).toEqual(['CoT', 'Rating', 'Swap_CoT']);
  });

  it('PandaLM: accuracy of both recorded judges, labels and annotators’ κ as published', async () => {
    const bench = await open('pandalm/testset-v1.json');
    const accuracy = async (name: string) =>
      (await recordedBench(bench, await open(`pandalm/${name}-testset-v1.json`))).published;
    expect(await accuracy('gpt-3.5-turbo')).toMatchObject({ accuracy: 710 / 999 });
    expect(await accuracy('pandalm-7b')).toMatchObject({ accuracy: 667 / 999 });
    const rows = JSON.parse(readFileSync(sharedData('pandalm/testset-v1.json'), 'utf8')) as Record<
      string,
      0 | 1 | 2
    >[];
    const votes = [1, 2, 3].map((i) => rows.map((row) => row[`annotator${i}`]!));
    // PandaLM's README: 105 ties, 422 first, 472 second; κ 0.85, 0.88, 0.86.
    const labels = rows.map((_, i) => majority(votes.map((one) => one[i]!)));
    expect([0, 1, 2].map((label) => labels.filter((one) => one === label).length)).toEqual([105, 422, 472]);
    const kappas = [
      cohenKappa(votes[0]!, votes[1]!),
      cohenKappa(votes[0]!, votes[2]!),
      cohenKappa(votes[1]!, votes[2]!),
    ];
    expect(kappas.map((kappa) => kappa!.toFixed(2))).toEqual(['0.85', '0.88', '0.86']);
  });

  it('MT-Bench: means by model as SOURCE.txt counts them, errors left out, repeats counted', async () => {
    const table = await mtBenchTable(
      await open('mt_bench_judgments/gpt-4_single_both.jsonl'),
      await open('mt_bench/mt_bench_question.jsonl'),
    );
    expect(table).toMatchObject({ unread: 4, judgements: 330, contradictions: 0 });
    const [griffin, normal] = table.models;
    expect([griffin!.mean!.toFixed(2), griffin!.n]).toEqual(['2.70', 160]);
    expect([normal!.mean!.toFixed(4), normal!.n]).toEqual(['7.8434', 166]);
    expect(Object.keys(normal!.categories)).toHaveLength(8);
  });

  it('Open Assistant: trees give the ranked groups that were derived from them by other code', async () => {
    const groups = async (file: string) => {
      const { shown } = await surveyFile(sharedData(file), 1000);
      const ranked = (one: DataRecord) =>
        one.kind === 'ranked' ? [one.id, one.turns, one.responses.map(({ text }) => text)] : undefined;
      return shown
        .map(ranked)
        .filter((one) => one !== undefined)
        .sort();
    };
    const [ours, derived] = [
      await groups('oa_en100/en_100_tree.jsonl'),
      await groups('oa_en100/derived/ranked_groups.jsonl'),
    ];
    expect(ours).toHaveLength(212);
    expect(ours).toEqual(derived);
  });
});

describe('recorded judges', () => {
  const row = {
    input: 'Name a cat.',
    output_1: 'Tom.',
    output_2: 'Rex.',
    label: 2,
    results: [
      { 'swap = False': { winner: '1' }, 'swap = True': { winner: '2' } },
      { 'swap = False': { winner: '2' }, 'swap = True': { winner: null } },
    ],
  };
  const fileOf = (...rows: object[]) => {
    const file = join(testFolder(), 'data');
    writeFileSync(file, JSON.stringify(rows));
    return openData(file);
  };

  it('the last round counts, and an unread verdict is none', async () => {
    const data = await fileOf(row);
    const { pairs } = await recordedBench(data, data);
    expect(pairs).toEqual([{ human: 2, asShown: 2, swapped: null }]);
  });

  it('MT-Bench: a score that is not the rating in the judge’s words is counted', async () => {
    const score = { question_id: 1, model: 'm', judge: ['g', 'single-v1'], turn: 1, score: 8 };
    const rows = ['Good. Rating: [[8]]', 'Rating: [[8.5]]', 'Rating: [8]', 'Fine.'];
    const data = await fileOf(...rows.map((judgment) => ({ ...score, judgment })));
    expect(await mtBenchTable(data)).toMatchObject({ judgements: 4, unread: 0, contradictions: 2 });
  });

  it('outputs of other rows are refused', async () => {
    const { results: _, ...bare } = row;
    const other = await fileOf({ ...bare, output_1: 'Kit.' });
    await expect(recordedBench(other, await fileOf(row))).rejects.toMatchObject({ code: 'data.invalid' });
    await expect(recordedBench(await fileOf(bare, bare), await fileOf(row))).rejects.toMatchObject({
      code: 'data.invalid',
    });
  });
});
