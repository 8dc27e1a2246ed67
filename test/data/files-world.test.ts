import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFilesWorld, type FilesOptions } from '../../src/data/files-world.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';
import type { SeedData } from '../../src/protocol/records.js';
import { testFolder } from '../support/folder.js';
import { ROWS } from './rows-of-layouts.js';
import { noSharedData, sharedData } from './shared-data.js';

const defaults: Omit<FilesOptions, 'files'> = {
  evalFiles: [],
  seed: 1,
  heldOutShare: 0.25,
  maxChars: 0,
  most: { ift: 3200, ranked: 1600, heldOut: 1000, probes: 150 },
  locate: (name) => name,
};
const seedOf = (files: readonly string[], more: Partial<FilesOptions> = {}): Promise<SeedData> =>
  createFilesWorld({ ...defaults, files, ...more }).seed();

const written = (rows: readonly unknown[], name = 'data', folder = testFolder()): string => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
};
const alpaca = (n: number, from = 0) =>
  Array.from({ length: n }, (_, i) => ({
    instruction: `Question ${from + i}?`,
    output: `Answer ${from + i}.`,
  }));
const pairs = (n: number) =>
  Array.from({ length: n }, (_, i) => ({
    prompt: `Pair ${i}?`,
    chosen: `Good ${i}.`,
    rejected: `Bad ${i}.`,
  }));
const normal = (prompt: string) => prompt.toLowerCase().replace(/\s+/g, ' ').trim();
const promptsOf = (rows: readonly { readonly prompt: string }[]) => rows.map(({ prompt }) => normal(prompt));
const overlap = ({ ift, ranked, heldOut, probes }: SeedData) => {
  const out = new Set(promptsOf([...heldOut, ...probes]));
  return promptsOf([...ift, ...ranked]).filter((prompt) => out.has(prompt));
};

describe('a world of files', () => {
  it('gives instructions as demonstrations, preferences as ranked groups, and holds a share of both out', async () => {
    const seed = await seedOf([written(alpaca(80)), written(pairs(40))]);
    expect(seed.ift[0]).toEqual({
      id: expect.any(String),
      prompt: expect.stringMatching(/^Question/),
      response: expect.stringMatching(/^Answer/),
    });
    expect(seed.ranked[0]?.responses.map(({ value }) => value)).toEqual([1, 0]);
    expect(seed.ift.length + seed.ranked.length + seed.heldOut.length).toBe(120);
    expect(seed.heldOut.length).toBeGreaterThan(15);
    expect(seed.heldOut.length).toBeLessThan(50);
    expect(seed.probes.length).toBeGreaterThan(3);
    expect(overlap(seed)).toEqual([]);
  });

  it('keeps every prompt of the evaluation files out of the seed, whatever its case and spacing', async () => {
    const evaluation = written([
      { question_id: 81, turns: ['QUESTION  3?', 'And then?'] },
      { question_id: 82, turns: [' question 5?'] },
    ]);
    const seed = await seedOf([written(alpaca(10))], { evalFiles: [evaluation] });
    expect(seed.heldOut).toEqual([
      { id: '81', prompt: 'QUESTION  3?' },
      { id: '82', prompt: ' question 5?' },
    ]);
    expect(promptsOf(seed.ift)).toHaveLength(8);
    expect(overlap(seed)).toEqual([]);
    expect(seed.notes.join('\n')).toMatch(/2 demonstration of a held-out prompt/);
    expect(seed.notes.join('\n')).toMatch(/1 later turn of a question/);
  });

  it('measures judging on people’s verdicts in the evaluation files', async () => {
    const seed = await seedOf([written(alpaca(9))], { evalFiles: [written(ROWS.llmbar!)] });
    expect(seed.probes).toMatchObject([
      {
        prompt: 'Name a cat.',
        responses: [
          { text: 'Tom.', value: 1 },
          { text: 'Rex.', value: 0 },
        ],
      },
    ]);
  });

  it('learns from the best answers where no file has demonstrations', async () => {
    const seed = await seedOf([written(pairs(40))]);
    expect(seed.ift.length).toBe(seed.ranked.length);
    expect(seed.ift.every(({ response }) => response.startsWith('Good'))).toBe(true);
  });

  it('gives the same data for the same seed, other data for another, and splits alike in any order', async () => {
    const [a, b] = [written(alpaca(60)), written(pairs(30))];
    const sides = (seed: SeedData) => [...new Set(promptsOf(seed.heldOut))].sort();
    const first = await seedOf([a, b]);
    expect(await seedOf([a, b])).toEqual(first);
    expect(sides(await seedOf([b, written(alpaca(60).reverse())]))).toEqual(sides(first));
    expect(sides(await seedOf([a, b], { seed: 2 }))).not.toEqual(sides(first));
  });

  it('draws no more of each kind than is wanted, and says how many it left', async () => {
    const most = { ift: 10, ranked: 5, heldOut: 4, probes: 2 };
    const seed = await seedOf([written(alpaca(80)), written(pairs(40))], { most });
    expect([seed.ift, seed.ranked, seed.heldOut, seed.probes].map(({ length }) => length)).toEqual([
      10, 5, 4, 2,
    ]);
    expect(seed.notes.join('\n')).toMatch(/\d+ demonstration beyond 10/);
    expect(overlap(seed)).toEqual([]);
  });

  it('has ids that are unique, however often the files use them', async () => {
    const rows = alpaca(30).map((row) => ({ ...row, id: 7 }));
    const { ift } = await seedOf([written(rows), written(alpaca(30, 100))], { heldOutShare: 0 });
    expect(new Set(ift.map(({ id }) => id)).size).toBe(60);
  });

  it('says of every row that is of no use why', async () => {
    const talk = {
      messages: ['Hi', 'Hello.', 'Bye', 'So long.'].map((content, i) => ({
        role: i % 2 ? 'assistant' : 'user',
        content,
      })),
    };
    const { notes } = await seedOf(
      [
        written([...alpaca(3), { instruction: 'x', output: '' }]),
        written([talk]),
        written(ROWS['mt-bench-answers']!),
        written(ROWS['mt-bench-scores']!),
      ],
      { heldOutShare: 0, maxChars: 12 },
    );
    for (const reason of [
      '1 output empty',
      '1 prompt of several turns',
      '1 answer without its question',
      '1 verdict of a judge',
    ])
      expect(notes.join('\n')).toContain(reason);
  });

  it('refuses files that leave nothing to learn from, and a row that is wrong, by file and line', async () => {
    await expect(seedOf([written(['only', 'prompts'])])).rejects.toMatchObject({ code: 'data.invalid' });
    const file = written([...alpaca(2), { instruction: 'x', output: 7 }]);
    await expect(seedOf([file])).rejects.toMatchObject({ code: 'data.invalid', fields: { file, line: 3 } });
  });

  it('never holds out what it teaches, whatever layouts stand together', async () => {
    const names = Object.keys(ROWS);
    const folder = testFolder();
    const files = new Map(names.map((name) => [name, written(ROWS[name]!, name, folder)]));
    const some = fc.subarray(names, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(some, fc.subarray(names, { maxLength: 2 }), fc.nat(50), async (a, b, seed) => {
        const at = (list: readonly string[]) => list.map((name) => files.get(name)!);
        try {
          const made = await seedOf(at(a), { evalFiles: at(b), seed });
          expect(overlap(made)).toEqual([]);
          expect(made.ift.length).toBeGreaterThan(0);
        } catch (error) {
          if (!isSoliloquyError(error)) throw error;
          expect(error.code).toBe('data.invalid');
        }
      }),
      { numRuns: 150, seed: 20261124 },
    );
  });

  it('ends well on files that are cut short anywhere', async () => {
    const folder = testFolder();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(ROWS)),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (name, at) => {
          const text = [...alpaca(3), ...ROWS[name]!].map((row) => `${JSON.stringify(row)}\n`).join('');
          const file = join(folder, 'cut');
          writeFileSync(file, text.slice(0, Math.floor(at * text.length)));
          const good = written(alpaca(5, 50), 'good', folder);
          const made = await seedOf([good, file]).catch((error: unknown) => {
            if (!isSoliloquyError(error)) throw error;
            expect(error.code).toMatch(/^data\./);
            return null;
          });
          if (made) expect(overlap(made)).toEqual([]);
        },
      ),
      { numRuns: 100, seed: 20261124 },
    );
  });

  it.skipIf(noSharedData)('reads the public files beside the repository', async () => {
    const seed = await seedOf(
      [sharedData('self_instruct/seed_tasks.jsonl'), sharedData('oa_en100/en_100_tree.jsonl')],
      {
        evalFiles: [sharedData('mt_bench/mt_bench_question.jsonl'), sharedData('llmbar/LLMBar_Natural.json')],
      },
    );
    expect([seed.ift, seed.ranked, seed.heldOut, seed.probes].map(({ length }) => length)).toEqual([
      274, 99, 179, 100,
    ]);
    expect(overlap(seed)).toEqual([]);
  });
});
