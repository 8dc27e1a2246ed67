import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linesOf } from '../../../src/worlds/open-assistant/lines.js';
import { createOpenAssistant, type OpenAssistantOptions } from '../../../src/worlds/open-assistant/world.js';

const fixture = (name: string) => new URL(`../../fixtures/open-assistant/${name}`, import.meta.url).pathname;
const seedOf = (options: Partial<OpenAssistantOptions> = {}) =>
  createOpenAssistant({
    data: fixture('trees.jsonl'),
    language: 'en',
    seed: 1,
    heldOutShare: 0,
    ...options,
  }).seed();

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'open-assistant-'));
});
afterAll(() => rm(scratch, { recursive: true }));
const written = async (name: string, content: string | Buffer) => {
  const path = join(scratch, name);
  await writeFile(path, content);
  return path;
};

describe('open-assistant — what is read', () => {
  it('IFT: the first turn and its rank-0 reply, wherever it stands among the replies', async () => {
    const { ift } = await seedOf();
    expect(ift.map(({ id }) => id)).toEqual(['t01', 't02', 't03', 't10', 't11', 't12']);
    expect(ift[0]).toEqual({ id: 't01', prompt: 'Name a cat.', response: 'Tom.' });
  });

  it('ranked: first turns with two or more usable ranked replies, higher is better', async () => {
    const { ranked, eft } = await seedOf();
    expect(ranked.map(({ id }) => id)).toEqual(['t01', 't02', 't10', 't11', 't12']);
    expect(ranked[0]!.responses).toEqual([
      { text: 'Tom.', value: 0 },
      { text: 'Tom is a cat.', value: -1 },
      { text: 'No.', value: -2 },
    ]);
    expect(ranked[2]!.responses.map(({ value }) => value)).toEqual([0, -3]);
    expect(eft).toEqual([]);
  });

  it('the second best is no demonstration where the best is gone, but the rest keeps its order', async () => {
    const [line] = (await readFile(fixture('trees.jsonl'), 'utf8')).split('\n');
    const tree = JSON.parse(line!);
    tree.prompt.replies.find((reply: { rank: number }) => reply.rank === 0).deleted = true;
    const { ift, ranked } = await seedOf({ data: await written('no-best.jsonl', JSON.stringify(tree)) });
    expect(ift).toEqual([]);
    expect(ranked[0]!.responses.map(({ value }) => value)).toEqual([-1, -2]);
  });

  it('says how many it read and left out, and why', async () => {
    const { notes } = await seedOf();
    expect(notes.slice(0, 4).join('\n')).toBe(
      [
        `${fixture('trees.jsonl')}: 12 trees read, 7 first turns in "en" used`,
        'trees left out: 1 language is not en, 1 prompt deleted, 1 prompt refused in review, 1 same prompt as another tree, 1 tree aborted low grade',
        'replies left out: 1 reply deleted, 1 reply empty, 1 reply language is not en, 2 reply not ranked',
        'of the first turns used, 1 have no rank-0 reply (no demonstration), 2 fewer than two ranked replies (no order)',
      ].join('\n'),
    );
  });

  it('another language, and a limit on length', async () => {
    expect((await seedOf({ language: 'de' })).ift.map(({ id }) => id)).toEqual(['t05']);
    const short = await seedOf({ maxPromptChars: 100 });
    expect(short.ift.map(({ id }) => id)).not.toContain('t11');
    expect(short.notes[1]).toContain('1 prompt longer than 100 characters');
    expect((await seedOf({ maxReplyChars: 15 })).ranked.map(({ id }) => id)).toEqual(['t01', 't11', 't12']);
  });

  it('a gzipped file gives the same, whatever its name', async () => {
    const zipped = gzipSync(await readFile(fixture('trees.jsonl')));
    for (const name of ['trees.jsonl.gz', 'trees.bin']) {
      const { notes, ...data } = await seedOf({ data: await written(name, zipped) });
      const { notes: _plain, ...plain } = await seedOf();
      expect(data).toEqual(plain);
      expect(notes[0]).toContain('12 trees read');
    }
  });

  it('has no truth; its judge template is the additive one', () => {
    const world = createOpenAssistant({ data: 'x', language: 'en', seed: 1 });
    expect('truth' in world).toBe(false);
    expect(world.judgeTemplate.name).toBe('additive');
  });
});

describe('open-assistant — the held-out split', () => {
  const many = Array.from({ length: 400 }, (_, i) => ({
    message_tree_id: `tree-${i}`,
    prompt: {
      message_id: `m${i}`,
      text: `Prompt ${i}`,
      role: 'prompter',
      lang: 'en',
      replies: [
        { message_id: `a${i}`, text: 'A', role: 'assistant', lang: 'en', rank: 0 },
        { message_id: `b${i}`, text: 'B', role: 'assistant', lang: 'en', rank: 1 },
      ],
    },
  }));
  const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const split = async (name: string, rows: readonly unknown[], seed = 1) => {
    const data = await seedOf({ data: await written(name, lines(rows)), heldOutShare: 0.2, seed });
    return { train: data.ift.map(({ id }) => id), heldOut: data.heldOut.map(({ id }) => id), data };
  };

  it('holds out about the share asked for, and no prompt stands on both sides', async () => {
    const { train, heldOut, data } = await split('all.jsonl', many);
    expect(train.length + heldOut.length).toBe(400);
    expect(heldOut.length).toBeGreaterThan(50);
    expect(heldOut.length).toBeLessThan(110);
    expect(data.probes.map(({ id }) => id)).toEqual(heldOut);
    expect(data.ranked.map(({ id }) => id)).toEqual(train);
  });

  it('does not hang on the order of the file nor on what else is in it, but on the seed', async () => {
    const whole = await split('all.jsonl', many);
    const turned = await split('turned.jsonl', [...many].reverse());
    expect(turned.heldOut).toEqual(whole.heldOut);
    const half = await split('half.jsonl', many.slice(0, 200));
    const ids = new Set(many.slice(0, 200).map((row) => row.message_tree_id));
    expect(half.heldOut).toEqual(whole.heldOut.filter((id) => ids.has(id)));
    expect((await split('all.jsonl', many, 2)).heldOut).not.toEqual(whole.heldOut);
  });
});

describe('open-assistant — what can not be read', () => {
  it.each([
    ['not-json.jsonl', 2, /not-json\.jsonl:2: is not JSON/],
    ['bad-rank.jsonl', 3, /bad-rank\.jsonl:3: prompt\.replies\.1\.rank/],
    ['messages.jsonl', 1, /messages\.jsonl:1: message_tree_id/],
  ])('%s names file and line %i', async (name, line, message) => {
    await expect(seedOf({ data: fixture(name) })).rejects.toMatchObject({
      code: 'data.invalid',
      message: expect.stringMatching(message),
      fields: { file: fixture(name), line, fix: expect.any(String) },
    });
  });

  it('a missing file, a folder and a torn gzip are unreadable', async () => {
    const zipped = gzipSync(await readFile(fixture('trees.jsonl')));
    const torn = await written('torn.jsonl.gz', zipped.subarray(0, zipped.length - 40));
    const garbled = await written(
      'garbled.jsonl.gz',
      Buffer.concat([zipped.subarray(0, 20), Buffer.alloc(200, 7)]),
    );
    for (const data of [join(scratch, 'absent.jsonl'), scratch, torn, garbled])
      await expect(seedOf({ data })).rejects.toMatchObject({
        code: 'data.unreadable',
        fields: { file: data, fix: expect.any(String) },
      });
  });

  it('a file without one usable first turn says what it held', async () => {
    await expect(seedOf({ language: 'xx' })).rejects.toMatchObject({
      code: 'data.invalid',
      message: expect.stringContaining('12 language is not xx'),
    });
    await expect(seedOf({ data: await written('empty.jsonl', '') })).rejects.toMatchObject({
      code: 'data.invalid',
    });
  });
});

describe('linesOf', () => {
  it('a letter cut between two chunks is whole, CRLF and a missing last line end are fine', async () => {
    const text = `${'é'.repeat(70_000)}\r\n\r\nlast`;
    const got: [number, number][] = [];
    for await (const { number, text: line } of linesOf(await written('wide.txt', `x${text}`)))
      got.push([number, line.trim().length]);
    expect(got).toEqual([
      [1, 70_001],
      [3, 4],
    ]);
  });
});

const OA = join(import.meta.dirname, '../../../../shared/data/oa_en100');
describe.skipIf(!existsSync(OA))(
  `open-assistant — the 100-tree export (skipped where ${OA} is absent)`,
  () => {
    const rows = (name: string) =>
      readFileSync(`${OA}/derived/${name}`, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));

    it('gives the 99 first turns and first-turn groups of its derived files', async () => {
      const { ift, ranked } = await seedOf({ data: `${OA}/en_100_tree.jsonl` });
      const byPrompt = (a: { prompt: string }, b: { prompt: string }) => (a.prompt < b.prompt ? -1 : 1);
      expect(ift.map(({ prompt, response }) => ({ prompt, response })).sort(byPrompt)).toEqual(
        rows('ift_first_turn.jsonl').sort(byPrompt),
      );
      const groups = rows('ranked_groups.jsonl').filter(({ depth }) => depth === 0);
      expect(groups).toHaveLength(99);
      const orders = new Map(groups.map((one) => [one.message_id, one.replies]));
      for (const { id, responses } of ranked)
        expect(responses).toEqual(
          orders.get(id).map(({ text, rank }: { text: string; rank: number }) => ({ text, value: 0 - rank })),
        );
      expect(ranked).toHaveLength(99);
    });

    it('splits into train and held-out without a prompt lost', async () => {
      const { ift, heldOut } = await seedOf({ data: `${OA}/en_100_tree.jsonl`, heldOutShare: 0.2 });
      expect(ift.length).toBeGreaterThan(60);
      expect(heldOut.length).toBeGreaterThan(8);
      expect(ift.length + heldOut.length).toBeGreaterThanOrEqual(99);
    });
  },
);
