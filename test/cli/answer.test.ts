import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openData, readRecords } from '../../src/data/read.js';
import type { DataRecord } from '../../src/data/records.js';
import { noSharedData, sharedData } from '../data/shared-data.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { noStories, soliloquy, soliloquyJson, stories260K, temporaryFolder } from './command.js';

const work = temporaryFolder();
const model = join(work, 'tiny');
const SHORT = ['--max-new', '6', '--workers', '1', '--backend', 'onnx'];

beforeAll(async () => {
  await writeTinyModel(model);
});

const written = (name: string, rows: readonly unknown[]): string => {
  const file = join(work, name);
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
};
const recordsOf = async (file: string): Promise<{ layout: string; records: DataRecord[] }> => {
  const data = await openData(file);
  const records: DataRecord[] = [];
  for await (const { record } of readRecords(data)) records.push(record);
  return { layout: data.layout.name, records };
};
const MT = [
  { question_id: 82, category: 'writing', turns: ['cat dog cow', 'name three animals'] },
  { question_id: 81, category: 'math', turns: ['name three animals'] },
];

describe('soliloquy answer', () => {
  it('writes MT-Bench’s answers: every turn, sorted by question, alike for the same seed', async () => {
    const questions = written('mt.jsonl', MT);
    const [a, b] = [join(work, 'a.jsonl'), join(work, 'b.jsonl')];
    const to = (file: string) => [
      'answer',
      model,
      '--questions',
      questions,
      '--format',
      'mt-bench',
      '--to',
      file,
      ...SHORT,
    ];
    const told = await soliloquyJson<object>(...to(a));
    expect(told).toMatchObject({ model: 'tiny', questions: 2, turns: 3 });
    await soliloquyJson(...to(b));
    const { layout, records } = await recordsOf(a);
    expect(layout).toBe('mt-bench-answers');
    expect(records.map((one) => [one.id, one.kind === 'question' && one.answer?.turns.length])).toEqual([
      ['81', 1],
      ['82', 2],
    ]);
    const bare = (file: string) =>
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => ({ ...JSON.parse(line), tstamp: 0 }) as object);
    expect(bare(b)).toEqual(bare(a));
    expect(bare(a)[0]).toEqual({
      question_id: 81,
      answer_id: expect.stringMatching(/^\w+$/),
      model_id: 'tiny',
      choices: [{ index: 0, turns: [expect.any(String)] }],
      tstamp: 0,
    });
  });

  it('writes AlpacaEval’s outputs: one list, the first turn of each', async () => {
    const to = join(work, 'outputs.json');
    const questions = written('alpaca.jsonl', [...MT, { question_id: 83, turns: ['dog'] }]);
    await soliloquyJson(
      'answer',
      model,
      '--questions',
      questions,
      '--format',
      'alpaca-eval',
      '--to',
      to,
      '--name',
      'mine',
      ...SHORT,
    );
    const { layout, records } = await recordsOf(to);
    expect(layout).toBe('alpaca-eval-outputs');
    expect(records).toHaveLength(3);
    expect(JSON.parse(readFileSync(to, 'utf8'))).toMatchObject([
      { instruction: 'cat dog cow', generator: 'mine', dataset: 'writing' },
      { instruction: 'name three animals' },
      { instruction: 'dog' },
    ]);
  });

  it('replaces no file unasked, and says what is no file of questions', async () => {
    const to = written('kept.jsonl', [{ mine: true }]);
    const questions = written('q.jsonl', MT);
    const kept = await soliloquy(
      'answer',
      model,
      '--questions',
      questions,
      '--format',
      'mt-bench',
      '--to',
      to,
    );
    expect(kept.code).toBe(1);
    expect(readFileSync(to, 'utf8')).toContain('mine');
    const twice = written('twice.jsonl', [...MT, MT[0]]);
    const answers = written('answers.jsonl', [
      { question_id: 1, model_id: 'm', choices: [{ index: 0, turns: ['x'] }] },
    ]);
    for (const [file, said] of [
      [twice, 'second question 82'],
      [answers, 'holds no question'],
    ] as const) {
      const { code, err } = await soliloquy(
        'answer',
        model,
        '--questions',
        file,
        '--format',
        'mt-bench',
        '--to',
        join(work, 'never'),
      );
      expect([code, err]).toEqual([1, expect.stringContaining(said)]);
    }
  });

  it.skipIf(noStories || noSharedData)(
    'answers both turns of MT-Bench’s 80 questions, and tells of those too long for it',
    async () => {
      const to = join(work, 'stories.jsonl');
      const questions = sharedData('mt_bench/mt_bench_question.jsonl');
      const args = [
        '--questions',
        questions,
        '--format',
        'mt-bench',
        '--to',
        to,
        '--max-new',
        '4',
        '--backend',
        'onnx',
      ];
      const { noRoom } = await soliloquyJson<{ noRoom: number }>('answer', stories260K, ...args);
      const rows = readFileSync(to, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { choices: { turns: string[] }[] });
      const turns = rows.flatMap(({ choices }) => choices[0]!.turns);
      expect(rows).toHaveLength(80);
      expect(turns).toHaveLength(160);
      expect(noRoom).toBeGreaterThan(0);
      expect(turns.filter((turn) => turn === '').length).toBeGreaterThanOrEqual(noRoom);
    },
  );
});
