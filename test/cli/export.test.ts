import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from '@huggingface/transformers';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../support/tiny-run.js';
import { greedy, logitsOf, logprobsOf, openTokenizer, withModel } from '../support/transformers-js.js';
import { fixture, noStories, soliloquy, soliloquyJson, stories260K, temporaryFolder } from './command.js';

interface Exported {
  readonly to: string;
  readonly format: string;
  readonly weightsHash: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly missing: readonly string[];
}

const M0 = join(import.meta.dirname, '../../assets/microworld-m0');
const work = temporaryFolder();
const m0 = join(work, 'm0');
const run = join(work, 'run');
const FILES = ['config.json', 'genai_config.json', 'generation_config.json', 'onnx/model.onnx'];
const ALL = [...FILES, 'tokenizer.json', 'tokenizer_config.json'];
const namesOf = ({ files }: Exported): string[] => files.map(({ name }) => name).sort();

beforeAll(async () => {
  await soliloquyJson('export', M0, '--format', 'onnx', '--to', m0);
  mkdirSync(run);
  writeFileSync(join(run, 'config.json'), '{}');
  for (const [i, version] of ['M0', 'M1'].entries()) await writeTinyModel(join(run, 'models', version), i);
});

describe('soliloquy export of the shipped M0', () => {
  const prompts = [
    '<user> name two animals <asst>',
    '<user> add one and two <asst>',
    '<user> name three animals . <asst>',
  ];

  it('goes on greedily in transformers.js as `generate --greedy` does, all prompts in one batch', async () => {
    const tokenizer = await openTokenizer(m0);
    const encoded = prompts.map((text) => tokenizer.encode(text, { add_special_tokens: false }));
    const rows = await withModel(m0, (model) => greedy(model, encoded, 24));
    for (const [i, prompt] of prompts.entries()) {
      const args = ['generate', M0, '--prompt', prompt, '--greedy', '--max-new', '24'];
      const { ids } = await soliloquyJson<{ ids: number[] }>(...args);
      const row = rows[i]!;
      const end = row.indexOf(2); // <eos>
      expect(end < 0 ? row : row.slice(0, end)).toEqual(ids);
    }
  });

  it('gives the log-probs of `score` within 1e-4', async () => {
    const text = '<user> name three animals . <asst> cat dog cow . hope this helps . <eos>';
    const scored = await soliloquyJson<{ ids: number[]; logprobs: (number | null)[] }>(
      'score',
      M0,
      '--text',
      text,
    );
    const [logits] = await withModel(m0, (model) => logitsOf(model, [scored.ids], 'left'));
    logprobsOf(scored.ids, logits!).forEach((value, i) => {
      expect(Math.abs(value - scored.logprobs[i + 1]!)).toBeLessThan(1e-4);
    });
  });

  it('loads as a pipeline that is told nothing but the folder', async () => {
    const generator = await pipeline('text-generation', m0);
    const made = await generator(prompts[0]!, {
      max_new_tokens: 24,
      do_sample: false,
      return_full_text: false,
    });
    const { text } = await soliloquyJson<{ text: string }>(
      'generate',
      M0,
      '--prompt',
      prompts[0]!,
      '--greedy',
      '--max-new',
      '24',
    );
    expect(made).toEqual([{ generated_text: ` ${text}` }]);
    await generator.dispose();
  });
});

describe('soliloquy export', () => {
  it('takes RUN/M1 and RUN --model M1 alike, and tells what it wrote', async () => {
    const [a, b] = [join(work, 'a'), join(work, 'b')];
    const first = await soliloquyJson<Exported>('export', join(run, 'M1'), '--format', 'onnx', '--to', a);
    const second = await soliloquyJson<Exported>(
      'export',
      run,
      '--model',
      'M1',
      '--format',
      'onnx',
      '--to',
      b,
    );
    expect(first).toMatchObject({ to: a, format: 'onnx', missing: [] });
    expect(namesOf(first)).toEqual(ALL);
    expect({ ...second, to: a }).toEqual(first);
    for (const name of ALL) expect(readFileSync(join(a, name))).toEqual(readFileSync(join(b, name)));
  });

  it('says what is missing where the model has no tokenizer, and goes on', async () => {
    const to = join(work, 'no-tokenizer');
    const { code, out, err } = await soliloquy('export', fixture('biases'), '--format', 'onnx', '--to', to);
    expect({ code, out }).toMatchObject({
      code: 0,
      out: expect.stringContaining(join('onnx', 'model.onnx')),
    });
    expect(err).toContain('tokenizer.json and tokenizer_config.json are missing');
    expect(existsSync(join(to, 'tokenizer.json'))).toBe(false);
  });

  it('refuses families that it has no graph for, before anything is written', async () => {
    const to = join(work, 'other-family');
    const qwen3 = join(import.meta.dirname, '../fixtures/qwen3/tied');
    const { code, out, err } = await soliloquy('export', qwen3, '--format', 'onnx', '--to', to);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('"qwen3"');
    expect(existsSync(to)).toBe(false);
  });

  it('refuses a folder that holds something; --force replaces an earlier export and nothing else', async () => {
    const to = join(work, 'again');
    await soliloquyJson('export', join(run, 'M0'), '--format', 'onnx', '--to', to);
    writeFileSync(join(to, 'index.html'), 'mine');
    const refused = await soliloquy('export', fixture('biases'), '--format', 'onnx', '--to', to);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('--force');
    const forced = await soliloquyJson<Exported>(
      'export',
      fixture('biases'),
      '--format',
      'onnx',
      '--to',
      to,
      '--force',
    );
    expect(namesOf(forced)).toEqual(FILES);
    // M0's tokenizer went with it.
    const left = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(left.map(({ name }) => name).sort()).toEqual(
      [...FILES.map((name) => name.replace('onnx/', '')), 'index.html'].sort(),
    );
  });

  it.each([
    ['the model itself', join(run, 'models', 'M1')],
    ['another model', join(run, 'models', 'M0')],
    ['a run', run],
  ])('never writes over %s, not even with --force', async (_, to) => {
    const before = readFileSync(join(to, 'config.json'), 'utf8');
    const { code, err } = await soliloquy(
      'export',
      join(run, 'M1'),
      '--format',
      'onnx',
      '--to',
      to,
      '--force',
    );
    expect(code).toBe(1);
    expect(err).toContain('no earlier export');
    expect(readFileSync(join(to, 'config.json'), 'utf8')).toBe(before);
    expect(existsSync(join(to, 'onnx'))).toBe(false);
  });

  it.each([
    [['export', join(run, 'M1'), '--format', 'ggml', '--to', join(work, 'x')], 2, 'onnx'],
    [['export', join(run, 'M1')], 2, '--to'],
    [['export', run, '--to', join(work, 'x')], 2, 'M1'],
    [['export', join(run, 'M1'), '--model', 'M0', '--to', join(work, 'x')], 2, '--model'],
    [['export', run, '--model', 'M7', '--to', join(work, 'x')], 1, 'M7'],
    [['export', join(work, 'nothing', 'M3'), '--to', join(work, 'x')], 1, 'M3'],
    [['export', join(run, 'M1'), '--to', join(run, 'config.json')], 1, '--to'],
  ] as const)('refuses %j with exit code %i and names %s', async (args, wanted, named) => {
    const { code, out, err } = await soliloquy(...args);
    expect({ code, out }).toEqual({ code: wanted, out: '' });
    expect(err).toContain(named);
    expect(existsSync(join(work, 'x'))).toBe(false);
  });
});

describe.skipIf(noStories)(
  `soliloquy export of stories260K${noStories ? ` — skipped: ${noStories}` : ''}`,
  () => {
    it('tells in a pipeline the story that `generate --greedy` tells, whose prompts start with <s>', async () => {
      const to = join(work, 'stories');
      await soliloquyJson('export', stories260K, '--format', 'onnx', '--to', to);
      const prompt = 'Once upon a time';
      const args = ['generate', stories260K, '--prompt', prompt, '--greedy', '--max-new', '60'];
      const { text } = await soliloquyJson<{ text: string }>(...args);
      const generator = await pipeline('text-generation', to);
      const made = await generator(prompt, { max_new_tokens: 60, do_sample: false });
      expect(made).toEqual([{ generated_text: `${prompt}${text}` }]);
      await generator.dispose();
    });
  },
);
