/** A run through a chat template, and models with one, as the commands take them: measured, judged with, exported. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { chatEncodingOf } from '../../src/lm/chat-encoding.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import type { Metric } from '../../src/protocol/messages.js';
import { chatConfig, chatFiles, watched, writeChatModel, writeTrees } from '../support/chat-run.js';
import { finishedRun } from '../support/tiny-run.js';
import { soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const model = join(work, 'm0');
/** Its template refuses whatever it is asked. */
const picky = join(work, 'picky');
const run = join(work, 'run');
const data = join(work, 'trees.jsonl');
const { seen, createModel } = watched();

beforeAll(async () => {
  await writeChatModel(model, 'chatml');
  await writeChatModel(picky, 'chatml', { template: "{{ raise_exception('not today') }}" });
  writeTrees(data);
  const config = chatConfig(model, data, { cast: { judge: 'ensemble:[live,random]' } });
  const { end } = await finishedRun(config, run, { createModel });
  expect(end.status).toBe('finished');
}, 120_000);

const jsonl = <T>(file: string): T[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

describe('soliloquy eval', () => {
  it('of a version of the run says what its metrics.jsonl says', async () => {
    const { metrics } = await soliloquyJson<{ metrics: Metric[] }>('eval', `${run}/M2`, '--backend', 'onnx');
    const published = jsonl<Metric & { version: string }>(join(run, 'metrics.jsonl'))
      .filter(({ version, name }) => version === 'M2' && !name.startsWith('h2h.') && name !== 'kl')
      .map(({ name, value, interval, n }) => ({ name, value, interval, n }));
    expect(published.length).toBeGreaterThan(10);
    expect(metrics.filter(({ name }) => !name.startsWith('h2h.'))).toEqual(published);
  });

  it('of a plain folder asks it through its template too: one that refuses is heard', async () => {
    const of = (dir: string) =>
      soliloquyJson<{ metrics: Metric[] }>(
        ...['eval', dir, '--world', 'open-assistant', '--data', data, '--seed', '3', '--backend', 'onnx'],
      );
    await expect(of(picky)).rejects.toThrow(/not today/);
    const bare = await writeChatModel(join(work, 'bare'), 'chatml', { template: null });
    const { metrics } = await of(bare);
    expect(metrics.find(({ name }) => name === 'length')!.n).toBeGreaterThan(0);
  }, 120_000);
});

describe('soliloquy judge-bench', () => {
  const judged = (judge: string) =>
    soliloquyJson<{ judge: string; parseFailures: object }>(
      ...['judge-bench', data, '--cast.judge', judge, '--samples', '1', '--max-new', '4', '--limit', '3'],
      ...['--workers', '1', '--backend', 'onnx'],
    );

  it('asks a model with a template through it, and reads its verdicts', async () => {
    const { judge, parseFailures } = await judged(`checkpoint:${model}`);
    expect(judge).toBe(`checkpoint:${model}`);
    expect(parseFailures).toMatchObject({ n: 6 });
  });

  it('a template that refuses what it is asked is heard: the prompt does go through it', async () => {
    await expect(judged(picky)).rejects.toThrow(/not today/);
  });
});

/** The Python that has transformers. */
const python = process.env.SOLILOQUY_PYTHON ?? 'python3';
const noTransformers =
  spawnSync(python, ['-c', 'import transformers']).status === 0
    ? ''
    : ` — skipped: ${python} has no transformers`;

describe('soliloquy export --format trl', () => {
  it('of itself writes conversations, and says that the models were trained so', async () => {
    const to = join(work, 'trl');
    await soliloquyJson('export', run, '--format', 'trl', '--to', to);
    const [pair] = jsonl<Record<string, unknown>>(join(to, 'preference.jsonl'));
    expect(pair).toMatchObject({
      prompt: [{ role: 'user', content: expect.any(String) }],
      chosen: [{ role: 'assistant', content: expect.any(String) }],
    });
    expect(readFileSync(join(to, 'README.md'), 'utf8')).toContain('so our models were asked and trained');
    const bare = join(work, 'trl-standard');
    await soliloquyJson('export', run, '--format', 'trl', '--to', bare, '--style', 'standard');
    expect(jsonl<{ prompt: unknown }>(join(bare, 'preference.jsonl'))[0]!.prompt).toBe(
      (pair!.prompt as { content: string }[])[0]!.content,
    );
  });

  it.skipIf(noTransformers !== '')(
    `transformers makes of its rows the ids that we trained on${noTransformers}`,
    () => {
      const script = join(work, 'ids.py');
      writeFileSync(
        script,
        `import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(${JSON.stringify(model)})
rows = [json.loads(line) for line in open(${JSON.stringify(join(work, 'trl/preference.jsonl'))})]
rows += [dict(id=row["id"], prompt=row["prompt"], chosen=row["completion"], rejected=row["completion"]) for row in map(json.loads, open(${JSON.stringify(join(work, 'trl/sft.jsonl'))}))]
print(json.dumps([[row["id"]] + [tokenizer.apply_chat_template(row["prompt"] + row[side], return_dict=False) for side in ("chosen", "rejected")] for row in rows]))`,
      );
      const { status, stdout, stderr } = spawnSync(python, [script], { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      const theirs = JSON.parse(stdout.trim().split('\n').at(-1)!) as [string, number[], number[]][];
      const byText = new Set(theirs.flatMap(([, chosen, rejected]) => [chosen.join(), rejected.join()]));
      const files = chatFiles('chatml');
      const tokenizer = tokenizerOf(files, { bosId: undefined, eosIds: [] });
      const { endId } = chatEncodingOf(files, tokenizer, { now: () => 0 })!;
      const newline = tokenizer.encode('\n');
      const trained = seen.trained
        .filter(({ to }) => to === 'SFT' || to === 'M2')
        .flatMap(({ data }) =>
          data.objective === 'sft'
            ? data.rows
            : data.rows.flatMap(({ chosen, rejected }) => [chosen, rejected]),
        );
      expect(trained.length).toBeGreaterThan(8);
      // Where a text holds a special token's text, transformers takes it for the token; here it stays characters.
      const plain = trained.filter(
        ({ ids }) => !/(<\|im_end\|>.*){3}/s.test(tokenizer.decode(ids.slice(0, -1))),
      );
      expect(plain.length).toBeGreaterThan(8);
      for (const { ids } of plain) {
        expect(ids.at(-1)).toBe(endId);
        expect(byText).toContain([...ids, ...newline].join());
      }
    },
    120_000,
  );
});
