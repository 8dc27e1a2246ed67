/** Exported folders in transformers.js, against what transformers says in Python (test/fixtures/llama, make.py). */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '@huggingface/transformers';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { type Checkpoint, readCheckpoint } from '../../../src/lm/checkpoint.js';
import { initialise } from '../../../src/lm/initialise.js';
import { writeOnnxFolder } from '../../../src/lm/onnx/export-folder.js';
import { exportGraph } from '../../../src/lm/onnx/export-graph.js';
import { tokenizerOf } from '../../../src/lm/tokenizer.js';
import { tokenizerJson } from '../../../src/worlds/microworld/tokenizer.js';
import { TOKENS } from '../../../src/worlds/microworld/vocabulary.js';
import { SMALL } from '../../contracts/engine-models.js';
import { testFolder } from '../../support/folder.js';
import {
  greedy,
  int64,
  logitsOf,
  logprobsOf,
  openTokenizer,
  withModel,
} from '../../support/transformers-js.js';

const LLAMA = join(import.meta.dirname, '../../fixtures/llama');
const FIXTURES = readdirSync(LLAMA).filter((name) => existsSync(join(LLAMA, name, 'golden.json')));

interface Golden {
  readonly sequences: readonly (readonly number[])[];
  readonly logprobs: readonly (readonly (number | null)[])[];
  readonly greedy: readonly { readonly prompt: readonly number[]; readonly ids: readonly number[] }[];
}
const golden = (name: string): Golden =>
  JSON.parse(readFileSync(join(LLAMA, name, 'golden.json'), 'utf8')) as Golden;

async function exported(name: string, limits?: { inside: number; dataFile: number }) {
  const dir = testFolder();
  const checkpoint = await readCheckpoint(join(LLAMA, name));
  return { dir, ...(await writeOnnxFolder(dir, checkpoint, limits === undefined ? {} : { limits })) };
}

const farthest = (a: readonly number[], b: readonly (number | null)[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe.each(FIXTURES)('the exported %s in transformers.js', (name) => {
  it('gives the log-probs of transformers within 1e-4, alone and in batches padded left or right', async () => {
    const { sequences, logprobs } = golden(name);
    const wanted = logprobs.map((row) => row.slice(1));
    const { dir } = await exported(name);
    await withModel(dir, async (model) => {
      for (const [i, ids] of sequences.entries()) {
        const [alone] = await logitsOf(model, [ids], 'left');
        expect(farthest(logprobsOf(ids, alone!), wanted[i]!)).toBeLessThan(1e-4);
      }
      const left = await logitsOf(model, sequences, 'left');
      const right = await logitsOf(model, sequences, 'right');
      sequences.forEach((ids, i) => {
        expect(farthest(logprobsOf(ids, left[i]!.slice(-ids.length)), wanted[i]!)).toBeLessThan(1e-4);
        expect(farthest(logprobsOf(ids, right[i]!), wanted[i]!)).toBeLessThan(1e-4);
      });
    });
  });

  it('goes on greedily as transformers does, alone and in a batch of unlike lengths', async () => {
    const { greedy: wanted } = golden(name);
    const { dir } = await exported(name);
    await withModel(dir, async (model) => {
      const count = wanted[0]!.ids.length;
      const prompts = wanted.map(({ prompt }) => prompt);
      const ids = wanted.map((row) => row.ids);
      expect(await greedy(model, prompts, count)).toEqual(ids);
      for (const [i, prompt] of prompts.entries())
        expect(await greedy(model, [prompt], count)).toEqual([ids[i]]);
    });
  });
});

describe('an exported graph', () => {
  it('takes several tokens at once after a cache, as onnxruntime-genai does when a prompt goes on', async () => {
    const { dir } = await exported('gqa-untied');
    const ids = golden('gqa-untied').sequences[2]!;
    await withModel(dir, async (model) => {
      const [whole] = await logitsOf(model, [ids], 'left');
      const one = (count: number) => int64([new Array(count).fill(1)]);
      const first = (await model({ input_ids: int64([ids.slice(0, 9)]), attention_mask: one(9) })) as Record<
        string,
        Tensor
      >;
      const cache = Object.entries(first).flatMap(([key, value]) =>
        key.startsWith('present') ? [[key.replace('present', 'past_key_values'), value] as const] : [],
      );
      const positions = int64([ids.slice(9).map((_, i) => 9 + i)]);
      const then = (await model({
        input_ids: int64([ids.slice(9)]),
        attention_mask: one(ids.length),
        position_ids: positions,
        past_key_values: Object.fromEntries(cache),
      })) as { logits: Tensor };
      const [rest] = then.logits.tolist() as number[][][];
      rest!.forEach((row, i) => {
        expect(farthest(row, whole![9 + i]!)).toBeLessThan(1e-4);
      });
    });
  });

  it('holds only operators of ONNX itself, opset 17', () => {
    const { nodes, opsets } = exportGraph(initialise({ ...SMALL, attentionBias: true }, 1)).record();
    expect(opsets).toEqual({ '': 17 });
    const ops = new Set(nodes.map(({ op, domain }) => `${domain}${op}`));
    // Operators that onnxruntime has under ONNX's own name, or that came after opset 17.
    for (const foreign of [
      'SimplifiedLayerNormalization',
      'RMSNormalization',
      'RotaryEmbedding',
      'Attention',
    ])
      expect(ops).not.toContain(foreign);
    expect([...ops].filter((op) => op.startsWith('com.'))).toEqual([]);
  });

  it('has the inputs and outputs that genai_config.json names, for every layer', async () => {
    const { dir } = await exported('biases');
    const { model } = JSON.parse(readFileSync(join(dir, 'genai_config.json'), 'utf8')) as {
      model: {
        eos_token_id: number;
        decoder: {
          filename: string;
          num_hidden_layers: number;
          inputs: Record<string, string>;
          outputs: Record<string, string>;
        };
      };
    };
    const { inputs, outputs, num_hidden_layers: layers, filename } = model.decoder;
    const named = (names: Record<string, string>): string[] =>
      Object.values(names).flatMap((name) =>
        name.includes('%d') ? Array.from({ length: layers }, (_, i) => name.replace('%d', `${i}`)) : [name],
      );
    const session = await ort.InferenceSession.create(join(dir, filename));
    expect([...session.inputNames].sort()).toEqual(named(inputs).sort());
    expect([...session.outputNames].sort()).toEqual(named(outputs).sort());
    expect(model.eos_token_id).toBe(2);
    await session.release();
  });
});

describe('weights that one protobuf message can’t hold', () => {
  it('lie beside the model in several files, and give the same logits to the bit', async () => {
    const inside = await exported('gqa-untied');
    const beside = await exported('gqa-untied', { inside: 10_000, dataFile: 16_384 });
    const data = beside.files.filter(({ name }) => name.includes('_data'));
    expect(data.length).toBeGreaterThan(2);
    expect(data.map(({ name }) => name)).toEqual(
      data.map((_, i) => `onnx/model.onnx_data${i === 0 ? '' : `_${i}`}`),
    );
    for (const { bytes } of data) expect(bytes).toBeLessThanOrEqual(16_384);
    for (const { name, bytes } of beside.files) expect(statSync(join(beside.dir, name)).size).toBe(bytes);
    expect(beside.files.at(-1)!.bytes).toBeLessThan(inside.files.at(-1)!.bytes / 2);
    const ids = golden('gqa-untied').sequences[3]!;
    const [a, b] = await Promise.all(
      [inside, beside].map(({ dir }) => withModel(dir, (model) => logitsOf(model, [ids], 'left'))),
    );
    expect(b).toEqual(a);
  });

  it('leave no data file of an earlier, larger export behind', async () => {
    const { dir } = await exported('gqa-untied', { inside: 0, dataFile: 16_384 });
    await writeOnnxFolder(dir, await readCheckpoint(join(LLAMA, 'gqa-untied')));
    expect(readdirSync(join(dir, 'onnx'))).toEqual(['model.onnx']);
    expect(readFileSync(join(dir, 'config.json'), 'utf8')).not.toContain('use_external_data_format');
  });
});

describe('a tokenizer', () => {
  const json = JSON.stringify(tokenizerJson());
  const checkpoint = (config: string | null): Checkpoint => ({
    weights: initialise({ ...SMALL, vocabSize: TOKENS.length }, 1),
    tokenizer: { json, config },
    bosId: undefined,
    eosIds: [TOKENS.indexOf('<eos>')],
    config: null,
    generationConfig: null,
  });

  it('without its tokenizer_config.json gets one, and splits a text as ours does', async () => {
    const dir = testFolder();
    const { missing } = await writeOnnxFolder(dir, checkpoint(null));
    expect(missing).toEqual([]);
    const tokenizer = await openTokenizer(dir);
    const text = '<user> name two animals . <asst> cat dog <eos>';
    const ours = tokenizerOf(checkpoint(null).tokenizer!, { bosId: undefined, eosIds: [2] });
    expect(tokenizer.encode(text, { add_special_tokens: false })).toEqual(ours.encode(text));
    expect(tokenizer.eos_token).toBe('<eos>');
  });

  it('that starts texts with BOS says so to transformers.js, whose pipelines would leave it out', async () => {
    const bos = { SpecialToken: { id: '<user>', type_id: 0 } };
    const json = JSON.stringify({
      ...tokenizerJson(),
      post_processor: {
        type: 'TemplateProcessing',
        single: [bos, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [bos, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
        special_tokens: { '<user>': { id: '<user>', ids: [TOKENS.indexOf('<user>')], tokens: ['<user>'] } },
      },
    });
    const written = async (config: object) => {
      const dir = testFolder();
      const tokenizer = { json, config: JSON.stringify(config) };
      await writeOnnxFolder(dir, { ...checkpoint(null), tokenizer, bosId: TOKENS.indexOf('<user>') });
      return readFileSync(join(dir, 'tokenizer_config.json'), 'utf8');
    };
    const own = { eos_token: '<eos>', unk_token: '<unk>' };
    expect(JSON.parse(await written(own))).toEqual({ ...own, add_bos_token: true });
    const decided = { ...own, add_bos_token: false };
    expect(await written(decided)).toBe(JSON.stringify(decided));
  });

  it('tells genai the ids that only tokenizer_config.json names', async () => {
    const dir = testFolder();
    const config = JSON.stringify({
      eos_token: '<eos>',
      pad_token: { content: '<pad>' },
      unk_token: '<unk>',
    });
    await writeOnnxFolder(dir, { ...checkpoint(config), eosIds: [] });
    const read = (name: string) => JSON.parse(readFileSync(join(dir, name), 'utf8')) as object;
    const ids = { eos_token_id: TOKENS.indexOf('<eos>'), pad_token_id: TOKENS.indexOf('<pad>') };
    expect(read('genai_config.json')).toMatchObject({ model: ids });
    expect(read('generation_config.json')).toEqual(ids);
  });
});
