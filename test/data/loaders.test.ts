import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { winRate, writeAlpacaEvalOutputs } from '../../src/data/alpaca-eval.js';
import { layouts } from '../../src/data/layouts.js';
import { writeMtBenchAnswers } from '../../src/data/mt-bench.js';
import { openData, readRecords } from '../../src/data/read.js';
import type { DataRecord } from '../../src/data/records.js';
import { surveyFile } from '../../src/data/survey.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import { testFolder } from '../support/folder.js';
import { ROWS } from './rows-of-layouts.js';

const written = (content: string | Buffer, name = 'data'): string => {
  const file = join(testFolder(), name);
  writeFileSync(file, content);
  return file;
};
const linesOf = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const recordsIn = async (file: string): Promise<DataRecord[]> => {
  const records: DataRecord[] = [];
  for await (const { record } of readRecords(await openData(file))) records.push(record);
  return records;
};
const recordsOf = (name: string) => recordsIn(written(linesOf(ROWS[name]!)));
const user = (content: string) => ({ role: 'user', content });
const bot = (content: string) => ({ role: 'assistant', content });

describe('data — which layout a file has', () => {
  it('every layout has hand-made rows here', () => {
    expect(Object.keys(ROWS).sort()).toEqual(layouts.map(({ name }) => name).sort());
  });

  it.each(Object.keys(ROWS))(
    '%s is told from content: as lines, as a list, gzipped, under a misleading name',
    async (name) => {
      const rows = ROWS[name]!;
      const [lines, list] = [linesOf(rows), `\n${JSON.stringify(rows, null, 2)}\n`];
      const contents = [lines, list, gzipSync(lines), gzipSync(list)];
      const surveys = await Promise.all(
        contents.map((content) => surveyFile(written(content, 'notes.txt'), 99)),
      );
      expect(surveys.map(({ layout }) => layout)).toEqual(contents.map(() => name));
      expect(surveys.map(({ shown }) => shown)).toEqual(contents.map(() => surveys[0]!.shown));
      expect(surveys[0]!.shown.length).toBeGreaterThan(0);
      expect(surveys.map(({ rows: n }) => n)).toEqual(contents.map(() => rows.length));
    },
  );

  it('a file of no known layout is refused, and its keys are named', async () => {
    await expect(openData(written('{"x": 1, "y": 2}\n'))).rejects.toMatchObject({
      code: 'data.invalid',
      fields: { keys: ['x', 'y'] },
    });
    for (const content of ['', ' \n', 'plain text', '{"a"', Buffer.alloc(5000)])
      await expect(openData(written(content))).rejects.toBeInstanceOf(SoliloquyError);
  });

  it('a vocabulary is no instruction, whatever its keys', async () => {
    const vocabulary = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`t${i}`, i]));
    const file = written(JSON.stringify({ ...vocabulary, instruction: 1, output: 2 }));
    await expect(openData(file)).rejects.toMatchObject({ code: 'data.invalid' });
  });
});

describe('data — what records the layouts give', () => {
  it('trees, nested roots and flat messages of one talk give the same', async () => {
    const [trees, roots, flat] = await Promise.all(
      ['oa-trees', 'oa-message-roots', 'oa-messages'].map(recordsOf),
    );
    expect(trees).toEqual(roots);
    const deep = [user('Name a cat.'), bot('Tom.'), user('Another?')];
    const ofA = trees!.filter(({ id }) => id.startsWith('a'));
    expect(ofA).toContainEqual({ kind: 'instruction', id: 'a2', turns: deep, response: 'Kit.' });
    expect(ofA).toContainEqual({
      kind: 'ranked',
      id: 'a',
      turns: [user('Name a cat.')],
      responses: [
        { text: 'Tom.', value: 0 },
        { text: 'Rex.', value: -1 },
      ],
    });
    expect(flat!.filter(({ id }) => id.startsWith('a'))).toEqual(ofA);
    expect(flat!.at(-1)).toMatchObject({ kind: 'instruction', id: 'b', response: 'Rex.' });
  });

  it('HH-RLHF: the last answers differ, the talk before is the prompt', async () => {
    expect(await recordsOf('hh-rlhf')).toEqual([
      {
        kind: 'preference',
        id: '1',
        turns: [user('Hi'), bot('Hello.'), user('Bye')],
        chosen: 'So long.',
        rejected: 'Go.',
      },
    ]);
  });

  it('UltraFeedback: the mean of the ratings that are numbers, else the overall score', async () => {
    const [first, second] = await recordsOf('ultrafeedback');
    expect(first).toMatchObject({
      responses: [
        { value: 5, model: 'y' },
        { value: 1.5, model: 'x' },
      ],
    });
    expect(second).toMatchObject({ responses: [{ value: 8 }, { value: 3.5 }] });
  });

  it('preferences: explicit, conversational, repeated and implicit prompts', async () => {
    const records = await recordsOf('trl-preference');
    const hi = { turns: [user('Hi')], chosen: 'Hello.', rejected: 'Go.' };
    expect(records[0]).toMatchObject({ turns: [user('Name a cat.')], chosen: 'Tom.', rejected: 'Rex.' });
    expect(records.slice(1)).toMatchObject([hi, { ...hi, id: 'u' }, hi]);
  });

  it('a message list gives one instruction for each answer', async () => {
    const records = await recordsOf('trl-sft');
    expect(records.map((one) => 'response' in one && one.response)).toEqual(['Tom.', 'Hello.', 'So long.']);
    expect(records[2]).toMatchObject({ turns: [user('Hi'), bot('Hello.'), user('Bye')] });
  });

  it('an instruction and its input are one question', async () => {
    for (const name of ['self-instruct', 'pandalm'])
      expect((await recordsOf(name))[0]).toMatchObject({ turns: [user('Name it.\n\ncat')] });
  });

  it('judgements of a pair are told in the order of the first game', async () => {
    const games = await recordsOf('mt-bench-pairs');
    expect(games.map((one) => one.kind === 'annotation' && one.preference)).toEqual([1, 1.5]);
    const votes = await recordsOf('pandalm');
    expect(votes.map((one) => one.kind === 'annotation' && one.preference)).toEqual([1, 1.5, 1]);
  });
});

describe('data — parquet', () => {
  it('flat messages in several row groups read as their lines do', async () => {
    const rows = ROWS['oa-messages'] as readonly Record<string, string | number | null>[];
    const column = (name: string, type: 'STRING' | 'INT32') => ({
      name,
      type,
      data: rows.map((row) => row[name] ?? null),
    });
    const file = join(testFolder(), 'rows.bin');
    const texts = ['message_id', 'parent_id', 'message_tree_id', 'text', 'role', 'lang'];
    const columnData = [...texts.map((name) => column(name, 'STRING')), column('rank', 'INT32')];
    parquetWriteFile({ filename: file, columnData, rowGroupSize: 3 });
    const survey = await surveyFile(file, 99);
    expect(survey).toMatchObject({ format: 'parquet', layout: 'oa-messages', rows: rows.length });
    expect(survey.shown).toEqual(await recordsOf('oa-messages'));
  });
});

describe('data — errors', () => {
  it('name the file, the line or row and the field', async () => {
    const bad = { instruction: 'x', output: 7 };
    const lines = written(linesOf([...ROWS.alpaca!, ...ROWS.alpaca!, bad]));
    await expect(recordsIn(lines)).rejects.toMatchObject({
      code: 'data.invalid',
      message: expect.stringContaining(`${lines}:3: output: `),
      fields: { file: lines, line: 3, field: 'output' },
    });
    const list = written(JSON.stringify([...ROWS.alpaca!, ...ROWS.alpaca!, bad]));
    await expect(recordsIn(list)).rejects.toMatchObject({ fields: { row: 3, field: 'output' } });
  });

  it('a survey counts each reason with where it came first, and goes on', async () => {
    const empty = { instruction: 'x', output: ' ' };
    const file = written(`${linesOf([...ROWS.alpaca!, empty])}{"instr\n${linesOf([empty, ...ROWS.alpaca!])}`);
    expect(await surveyFile(file, 0)).toMatchObject({
      rows: 5,
      usable: 2,
      records: { instruction: 2 },
      reasons: [
        { reason: 'output empty', of: 'row', count: 2, first: 2 },
        { reason: 'is not JSON', of: 'row', count: 1, first: 3 },
      ],
    });
  });

  it('a gzip that breaks off is an error after the rows that came', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({
      instruction: `${Math.sin(i)}`,
      output: `${Math.cos(i)}`,
    }));
    const zipped = gzipSync(linesOf(many));
    const survey = await surveyFile(written(zipped.subarray(0, zipped.length / 2)), 0);
    expect(survey.stopped).toMatch(/after line \d+/);
    expect(survey.usable).toBeGreaterThan(0);
  });
});

describe('data — leaderboards', () => {
  it('win rate: the mean of preference − 1, a tie is a half, what is no preference is dropped', async () => {
    const { winRate: rate, reasons } = await surveyFile(
      written(linesOf(ROWS['alpaca-eval-annotations']!)),
      0,
    );
    // 1, 2, 1.5, 2 → 0, 1, ½, 1
    expect(rate).toMatchObject({ winRate: 62.5, wins: 2, draws: 1, losses: 1, total: 4 });
    expect(rate!.standardError).toBeCloseTo(23.9357, 4);
    expect(reasons).toMatchObject([{ reason: 'no preference', count: 2 }]);
    expect(winRate([])).toMatchObject({ winRate: null, standardError: null });
    expect(winRate([1.25, 1.75]).winRate).toBeCloseTo(50);
  });

  it('what we write for AlpacaEval and MT-Bench reads back the same', async () => {
    const outputs = join(testFolder(), 'outputs.json');
    await writeAlpacaEvalOutputs(
      outputs,
      ROWS['alpaca-eval-outputs'] as Parameters<typeof writeAlpacaEvalOutputs>[1],
    );
    expect(await recordsIn(outputs)).toEqual(await recordsOf('alpaca-eval-outputs'));
    const answers = join(testFolder(), 'm.jsonl');
    await writeMtBenchAnswers(answers, ROWS['mt-bench-answers'] as Parameters<typeof writeMtBenchAnswers>[1]);
    expect(await recordsIn(answers)).toEqual(await recordsOf('mt-bench-answers'));
  });
});
