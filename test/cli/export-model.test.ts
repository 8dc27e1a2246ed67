/** Models exported as Hugging Face folders and GGUF files, read back by transformers, huggingface_hub and gguf-py where Python has them. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { weightsHash } from '../../src/lm/weights.js';
import { finishedRun, tinyConfig, writeTinyModel } from '../support/tiny-run.js';
import { noStories, soliloquy, soliloquyJson, stories260K, temporaryFolder } from './command.js';

const work = temporaryFolder();
const run = join(work, 'run');
const fixtures = join(import.meta.dirname, '../fixtures');

const python = process.env.SOLILOQUY_PYTHON ?? 'python3';
const has = (...modules: string[]): boolean => {
  const found = modules.map((name) => `__import__("importlib.util").util.find_spec("${name}") is None`);
  return spawnSync(python, ['-c', `exit(${found.join(' or ')})`]).status === 0;
};
const noTransformers = has('torch', 'transformers') ? '' : ` — skipped: ${python} has no transformers`;
const noHub = has('huggingface_hub') ? '' : ` — skipped: ${python} has no huggingface_hub`;
const noGguf = has('gguf', 'torch', 'transformers')
  ? ''
  : ` — skipped: ${python} has no gguf and transformers`;
function inPython<T>(script: string): T {
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], {
    encoding: 'utf8',
    cwd: work,
    env: { ...process.env, HF_HOME: join(work, 'hf-home'), HF_HUB_OFFLINE: '1' },
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
}

interface Told {
  readonly weightsHash: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly missing: readonly string[];
  readonly notes?: readonly string[];
}
const exported = (model: string, format: string, to: string, ...more: string[]): Promise<Told> =>
  soliloquyJson<Told>('export', model, '--format', format, '--to', join(work, to), ...more);
/** A checkpoint of `model` with the tokenizer of a chat fixture. */
function chatModel(model: string, chat: string): string {
  const dir = join(work, `${chat}-model`);
  cpSync(join(fixtures, model), dir, { recursive: true });
  cpSync(join(fixtures, 'chat', chat), dir, { recursive: true });
  return dir;
}
/** Largest difference of log-probs of two ways to load a model. */
const difference = (a: string, b: string): string => `
import json, torch
from transformers import AutoModelForCausalLM
ids = torch.tensor([[1, 5, 3, 2, 7, 4, 6, 1, 2]])
def logprobs(model): return model.eval()(ids).logits.float().log_softmax(-1)
with torch.no_grad(): print(json.dumps(float((logprobs(${a}) - logprobs(${b})).abs().max())))`;
const load = (dir: string, more = ''): string =>
  `AutoModelForCausalLM.from_pretrained(${JSON.stringify(dir)}${more})`;

beforeAll(async () => {
  const model = await writeTinyModel(join(work, 'm0'));
  await finishedRun(tinyConfig(model), run);
});

describe('export --format hf', () => {
  it
    .skipIf(noTransformers !== '')
    .each([
      'llama/gqa-untied',
      'llama/rope-yarn',
      'mistral/no-window',
      'qwen2/tied',
      'qwen3/biases',
      'gpt2/untied-gelu',
    ])(`%s has the same log-probs in transformers${noTransformers}`, async (name) => {
    const to = `hf-${name.replace('/', '-')}`;
    await exported(join(fixtures, name), 'hf', to);
    expect(inPython<number>(difference(load(join(fixtures, name)), load(join(work, to))))).toBeLessThan(1e-6);
  });

  it('brings the chat template, the tokenizer as it stood, and ids that end an answer', async () => {
    const dir = chatModel('llama/gqa-untied', 'chatml');
    writeFileSync(join(dir, 'special_tokens_map.json'), '{"eos_token":"<|im_end|>"}');
    const { files } = await exported(dir, 'hf', 'hf-chat');
    for (const name of [
      'chat_template.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
    ])
      expect(readFileSync(join(work, 'hf-chat', name))).toEqual(readFileSync(join(dir, name)));
    expect(files.map(({ name }) => name)).toContain('README.md');
    const said = JSON.parse(readFileSync(join(work, 'hf-chat/generation_config.json'), 'utf8'));
    expect(said.eos_token_id).toEqual((await readCheckpoint(dir)).eosIds[0]);
    expect(readFileSync(join(work, 'hf-chat/README.md'), 'utf8')).toContain('apply_chat_template');
  });

  it.skipIf(noTransformers !== '')(
    `its tokenizer says the same in transformers${noTransformers}`,
    async () => {
      const dir = chatModel('llama/gqa-untied', 'zephyr');
      await exported(dir, 'hf', 'hf-zephyr');
      const texts = inPython<string[]>(`
import json
from transformers import AutoTokenizer
talk = [{"role": "user", "content": "Hello"}]
print(json.dumps([AutoTokenizer.from_pretrained(d).apply_chat_template(talk, tokenize=False, add_generation_prompt=True) for d in ${JSON.stringify([dir, join(work, 'hf-zephyr')])}]))`);
      expect(texts[1]).toBe(texts[0]);
      expect(texts[0]).toContain('Hello');
    },
  );

  it('a version of a run: the card has its lineage, measures and how to make it again', async () => {
    const { weightsHash: hash } = await exported(
      run,
      'hf',
      'hf-run',
      '--model',
      'M2',
      '--license',
      'apache-2.0',
    );
    const card = readFileSync(join(work, 'hf-run/README.md'), 'utf8');
    const lineage = JSON.parse(readFileSync(join(run, 'models/M2/lineage.json'), 'utf8'));
    expect(hash).toBe(lineage.weightsHash);
    for (const fact of [
      hash,
      lineage.dataHash,
      '| M1 | SFT',
      '| M2 | DPO, reference M1',
      '`true.score`',
      '--seed 1',
    ])
      expect(card).toContain(fact);
    expect(card).toMatch(/^---\nlibrary_name: "transformers"\n/);
    expect(weightsHash((await readCheckpoint(join(work, 'hf-run'))).weights)).toBe(hash);
  });

  it.skipIf(noHub !== '')(`the Hub's own reader takes the card's metadata${noHub}`, async () => {
    await exported(run, 'hf', 'hf-card', '--model', 'M2', '--license', 'cc: "by" #4');
    const data = inPython<Record<string, unknown>>(`
import json
from huggingface_hub import ModelCard
print(json.dumps(ModelCard.load(${JSON.stringify(join(work, 'hf-card/README.md'))}).data.to_dict()))`);
    expect(data).toMatchObject({
      library_name: 'transformers',
      license: 'cc: "by" #4',
      tags: ['soliloquy', 'llama', 'self-rewarding', 'dpo'],
    });
  });

  it('without --license nothing is claimed', async () => {
    await exported(run, 'hf', 'hf-unknown', '--model', 'M1');
    const card = readFileSync(join(work, 'hf-unknown/README.md'), 'utf8');
    expect(card).toContain('license: unknown');
    expect(card.split('\n---\n')[0]).not.toContain('license');
  });

  it('weights that are not those of the log are not exported under its name, and nothing is left', async () => {
    const other = join(work, 'changed');
    cpSync(run, other, { recursive: true });
    // (M2 of this small run has M1's weights.)
    cpSync(join(run, 'models/SFT/model.safetensors'), join(other, 'models/M2/model.safetensors'));
    const args = ['export', other, '--model', 'M2', '--format', 'hf', '--to', join(work, 'wrong')];
    const { code, err } = await soliloquy(...args);
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining("the run's log says"),
    });
    expect(existsSync(join(work, 'wrong'))).toBe(false);
  });
});

describe('export --format gguf', () => {
  it
    .skipIf(noGguf !== '')
    .each(['llama/gqa-untied', 'llama/biases', 'mistral/no-window', 'qwen2/tied', 'qwen3/tied'])(
    `%s: gguf-py and transformers read our numbers${noGguf}`,
    async (name) => {
      const to = `gguf-${name.replace('/', '-')}`;
      await exported(join(fixtures, name), 'gguf', to);
      const file = JSON.stringify(join(work, to, 'model.gguf'));
      const sums = inPython<Record<string, number>>(`
import json, numpy, gguf
from safetensors.numpy import load_file
theirs = load_file(${JSON.stringify(join(fixtures, name, 'model.safetensors'))})
mine = {t.name: t.data for t in gguf.GGUFReader(${file}).tensors}
names = gguf.TensorNameMap
arch = getattr(gguf.MODEL_ARCH, ${JSON.stringify(name.startsWith('qwen') ? name.slice(0, 5).toUpperCase() : 'LLAMA')})
to_gguf = gguf.get_tensor_name_map(arch, 8)
wrong = {}
for key, value in theirs.items():
    base, _, kind = key.rpartition('.')
    got = mine[to_gguf.get_name(base) + '.' + kind]
    if 'q_proj' not in key and 'k_proj' not in key:
        wrong[key] = float(numpy.abs(got.reshape(value.shape) - value).max())
print(json.dumps(wrong))`);
      expect(Object.keys(sums).length).toBeGreaterThan(10);
      expect(Math.max(...Object.values(sums))).toBe(0);
      const wrong = difference(load(join(fixtures, name)), load(join(work, to), ', gguf_file="model.gguf"'));
      // transformers' GGUF reader has no place for Llama's biases, and takes Qwen3's heads for 128 wide whatever the file says.
      if (name !== 'llama/biases' && name !== 'qwen3/tied')
        expect(inPython<number>(wrong)).toBeLessThan(1e-6);
    },
  );

  it.skipIf(noGguf !== '' || noStories !== false)(
    `stories260K: transformers has the tokenizer too${noGguf}${noStories ? ` — skipped: ${noStories}` : ''}`,
    async () => {
      const { missing } = await exported(stories260K, 'gguf', 'gguf-stories');
      expect(missing).toEqual([]);
      const text = 'Once upon a time, there was a little girl.';
      const ids = inPython<number[]>(`
import json
from transformers import AutoTokenizer
t = AutoTokenizer.from_pretrained(${JSON.stringify(join(work, 'gguf-stories'))}, gguf_file="model.gguf")
print(json.dumps(t(${JSON.stringify(text)}, add_special_tokens=False).input_ids))`);
      const scored = await soliloquyJson<{ ids: number[] }>('score', stories260K, '--text', text);
      expect([1, ...ids]).toEqual(scored.ids);
    },
  );

  it('a tokenizer that llama.cpp has not is left out, and that is said', async () => {
    const { missing, notes } = await exported(run, 'gguf', 'gguf-run', '--model', 'M1', '--dtype', 'f16');
    expect(missing).toEqual(['tokenizer']);
    expect(notes![0]).toContain('no_vocab');
    const again = ['export', run, '--model', 'M1', '--format', 'gguf', '--to', join(work, 'gguf-run')];
    expect((await soliloquy(...again)).err).toContain('--force');
    const { code, err } = await soliloquy(...again, '--force');
    expect({ code, err }).toMatchObject({ code: 0, err: expect.stringContaining('token ids only') });
  });

  it('--force replaces nothing but an earlier GGUF', async () => {
    const to = join(work, 'mine');
    mkdirSync(to);
    writeFileSync(join(to, 'notes.txt'), 'mine');
    const args = ['export', run, '--model', 'M1', '--format', 'gguf', '--to', to, '--force'];
    expect((await soliloquy(...args)).code).toBe(1);
    expect(readdirSync(to)).toEqual(['notes.txt']);
  });

  it.each([
    [['--format', 'hf', '--dtype', 'f16'], '--dtype'],
    [['--format', 'onnx', '--license', 'mit'], '--license'],
  ])('refuses %j with exit code 2', async (more, named) => {
    const { code, err } = await soliloquy('export', run, '--model', 'M1', '--to', join(work, 'x'), ...more);
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining(named) });
  });
});

describe('export --format onnx', () => {
  it('brings the chat template, and takes it away with an earlier export', async () => {
    await exported(chatModel('llama/gqa-untied', 'features'), 'onnx', 'onnx-chat');
    expect(existsSync(join(work, 'onnx-chat/chat_template.jinja'))).toBe(true);
    await exported(run, 'onnx', 'onnx-chat', '--model', 'M1', '--force');
    expect(existsSync(join(work, 'onnx-chat/chat_template.jinja'))).toBe(false);
  });
});
