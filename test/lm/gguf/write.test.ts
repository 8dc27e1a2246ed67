/** GGUF files read back by @huggingface/gguf, whose parser is the Hub's. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { GGMLQuantizationType, gguf } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import { type Architecture, parametersOf } from '../../../src/lm/architecture.js';
import { type Checkpoint, readCheckpoint } from '../../../src/lm/checkpoint.js';
import { pairedRows } from '../../../src/lm/gguf/architecture.js';
import { type GgufOptions, type GgufWritten, writeGguf } from '../../../src/lm/gguf/write.js';
import { initialise } from '../../../src/lm/initialise.js';
import { inverseFrequencies } from '../../../src/lm/rope.js';
import { tinyLlama } from '../../support/architecture.js';
import { testFolder } from '../../support/folder.js';

const fixtures = join(import.meta.dirname, '../../fixtures');
const of = (name: string): Promise<Checkpoint> => readCheckpoint(join(fixtures, name));

interface Read {
  readonly written: GgufWritten;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: number[]; readonly dtype: number; readonly at: number }
  >;
  readonly bytes: Buffer;
}

async function readBack(checkpoint: Checkpoint, options: Partial<GgufOptions> = {}): Promise<Read> {
  const dir = testFolder();
  const written = await writeGguf(dir, 'm.gguf', checkpoint, { dtype: 'f32', name: 'm', ...options });
  const path = join(dir, 'm.gguf');
  const { metadata, tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true });
  const tensors = tensorInfos.map(({ name, shape, dtype, offset }) => {
    const at = Number(tensorDataOffset) + Number(offset);
    expect(at % 32).toBe(0);
    return [name, { shape: shape.map(Number), dtype: Number(dtype), at }] as const;
  });
  return { written, metadata: { ...metadata }, tensors: new Map(tensors), bytes: readFileSync(path) };
}

function floats({ tensors, bytes }: Read, name: string): Float32Array {
  const { shape, at } = tensors.get(name)!;
  const size = shape.reduce((a, b) => a * b, 1);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size * 4));
}
const own = ({ weights }: Checkpoint, name: string): Float32Array => {
  const { offset, size } = parametersOf(weights.architecture).find((one) => one.name === name)!;
  return weights.data.slice(offset, offset + size);
};

/** A random model with a tokenizer of the chat fixtures. */
async function withTokenizer(
  name: string,
  json: (parsed: TokenizerJson) => void = () => {},
): Promise<Checkpoint> {
  const dir = join(fixtures, 'chat', name);
  const parsed = JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as TokenizerJson;
  json(parsed);
  const ids = [...Object.values(parsed.model.vocab), ...parsed.added_tokens.map(({ id }) => id)];
  return {
    weights: initialise(tinyLlama(Math.max(...ids) + 3, 64), 1),
    tokenizer: {
      json: JSON.stringify(parsed),
      config: readFileSync(join(dir, 'tokenizer_config.json'), 'utf8'),
    },
    bosId: undefined,
    eosIds: [],
    config: null,
    generationConfig: null,
  };
}
interface TokenizerJson {
  normalizer: unknown;
  pre_tokenizer: unknown;
  added_tokens: { id: number; content: string; special: boolean }[];
  model: {
    vocab: Record<string, number>;
    merges: unknown[];
    type: string;
    byte_fallback?: boolean;
    unk_token?: string;
  };
}

describe('GGUF of the Llama family', () => {
  it.each([
    ['llama/gqa-untied', 'llama'],
    ['llama/biases', 'llama'],
    ['mistral/no-window', 'llama'],
    ['qwen2/untied', 'qwen2'],
    ['qwen3/tied', 'qwen3'],
  ])('%s: sizes under the name %s, all tensors and no other, their numbers', async (name, theirs) => {
    const checkpoint = await of(name);
    const { architecture: a } = checkpoint.weights;
    const read = await readBack(checkpoint);
    expect(read.metadata).toMatchObject({
      version: 3,
      'general.architecture': theirs,
      'general.file_type': 0,
      [`${theirs}.block_count`]: a.layers,
      [`${theirs}.context_length`]: a.maxPositions,
      [`${theirs}.attention.head_count_kv`]: a.kvHeads,
      [`${theirs}.attention.key_length`]: a.headDim,
      [`${theirs}.vocab_size`]: a.vocabSize,
      'tokenizer.ggml.model': 'no_vocab',
    });
    expect(read.metadata[`${theirs}.attention.layer_norm_rms_epsilon`]).toBeCloseTo(a.rmsNormEps, 10);
    expect(read.tensors.size).toBe(parametersOf(a).length);
    expect(read.tensors.has('output.weight')).toBe(!a.tiedHead);
    for (const [ours, gg] of [
      ['model.embed_tokens.weight', 'token_embd.weight'],
      ['model.layers.0.self_attn.v_proj.weight', 'blk.0.attn_v.weight'],
      ['model.layers.1.mlp.down_proj.weight', 'blk.1.ffn_down.weight'],
      ['model.norm.weight', 'output_norm.weight'],
    ] as const) {
      expect(read.tensors.get(gg)!.shape).toEqual(
        [...parametersOf(a).find((one) => one.name === ours)!.shape].reverse(),
      );
      expect(floats(read, gg)).toEqual(own(checkpoint, ours));
    }
    const q = own(checkpoint, 'model.layers.0.self_attn.q_proj.weight');
    const wanted = theirs === 'llama' ? pairedRows(q, a.heads, a.headDim) : q;
    expect(floats(read, 'blk.0.attn_q.weight')).toEqual(wanted);
  });

  it('pairs of queries and keys stand beside each other: by hand for two heads of four', () => {
    const rows = Float32Array.from({ length: 16 }, (_, i) => i); // 8 rows of 2
    // Head of rows 0 1 | 2 3 → 0 2 1 3.
    expect([...pairedRows(rows, 2, 4)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
  });

  it('F16: matrices are halves, norms stay in float32', async () => {
    const read = await readBack(await of('llama/gqa-untied'), { dtype: 'f16' });
    expect(read.metadata['general.file_type']).toBe(1);
    expect(read.tensors.get('blk.0.attn_q.weight')!.dtype).toBe(GGMLQuantizationType.F16);
    expect(read.tensors.get('blk.0.attn_norm.weight')!.dtype).toBe(GGMLQuantizationType.F32);
  });

  it('llama3 scaling is the divisor of each frequency; linear and YaRN are keys', async () => {
    const scaled = await of('llama/rope-llama3-new');
    const a = scaled.weights.architecture;
    const plain = inverseFrequencies({ ...a, ropeScaling: null });
    const factors = floats(await readBack(scaled), 'rope_freqs.weight');
    const divided = [...plain].map((frequency, i) => frequency / factors[i]!);
    expect(Math.max(...divided.map((value, i) => Math.abs(value - inverseFrequencies(a)[i]!)))).toBeLessThan(
      1e-7,
    );
    expect(new Set(factors).size).toBeGreaterThan(1);
    expect((await readBack(await of('llama/rope-linear-new'))).metadata['llama.rope.scaling.type']).toBe(
      'linear',
    );
    const yarn = await readBack(await of('llama/rope-yarn'));
    expect(yarn.metadata['llama.rope.scaling.type']).toBe('yarn');
    expect((await readBack(await of('llama/rope-dynamic'))).written.notes[0]).toContain('dynamic');
  });

  it('refuses GPT-2, and writes nothing', async () => {
    const dir = testFolder();
    const wrong = writeGguf(dir, 'm.gguf', await of('gpt2/tied'), { dtype: 'f32', name: 'm' });
    await expect(wrong).rejects.toMatchObject({ code: 'checkpoint.unsupported' });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('refuses what llama.cpp can’t say: biases of qwen3, YaRN that is not its own', async () => {
    const tiny = tinyLlama(8, 16);
    const yarn = { kind: 'yarn', factor: 4, originalMaxPositions: 4 } as const;
    const refused: readonly Architecture[] = [
      { ...tiny, family: 'qwen3', attentionBias: true },
      { ...tiny, ropeScaling: { ...yarn, truncate: false } },
      { ...tiny, ropeScaling: { ...yarn, attentionFactor: 2 } },
      { ...tiny, ropeScaling: { ...yarn, betaFast: 16 } },
      { ...tiny, family: 'qwen2', attentionBias: 'qkv', headDim: 2 * tiny.headDim },
    ];
    for (const architecture of refused) {
      const checkpoint = { ...(await withTokenizer('chatml')), weights: initialise(architecture, 1) };
      const wrong = writeGguf(testFolder(), 'm.gguf', checkpoint, { dtype: 'f32', name: 'm' });
      await expect(wrong).rejects.toMatchObject({ code: 'checkpoint.unsupported' });
    }
  });

  it('a number too large for a half is refused by its tensor, and no file is left', async () => {
    const dir = testFolder();
    const checkpoint = await withTokenizer('chatml');
    checkpoint.weights.data[3] = 70000;
    const wrong = writeGguf(dir, 'm.gguf', checkpoint, { dtype: 'f16', name: 'm' });
    await expect(wrong).rejects.toMatchObject({
      code: 'checkpoint.unsupported',
      fields: { tensor: 'token_embd.weight' },
    });
    expect(readdirSync(dir)).toEqual([]);
    await writeGguf(dir, 'm.gguf', checkpoint, { dtype: 'f32', name: 'm' });
    expect(statSync(join(dir, 'm.gguf')).size).toBeGreaterThan(checkpoint.weights.data.length * 4);
  });
});

describe('tokenizers in GGUF', () => {
  it.each(['chatml', 'features', 'llama3', 'mistral', 'tojson', 'zephyr'])(
    '%s: in the file with its template, or left out with a reason',
    async (name) => {
      const checkpoint = await withTokenizer(name);
      const { written, metadata } = await readBack(checkpoint);
      const model = metadata['tokenizer.ggml.model'];
      expect(model === 'no_vocab').toBe(written.noVocabulary !== null);
      if (written.noVocabulary !== null) return expect(written.noVocabulary).not.toBe('');
      expect(metadata['tokenizer.chat_template']).toBeTypeOf('string');
      const tokens = metadata['tokenizer.ggml.tokens'] as string[];
      expect(tokens).toHaveLength(checkpoint.weights.architecture.vocabSize);
      expect(metadata['tokenizer.ggml.token_type']).toHaveLength(tokens.length);
    },
  );

  it('SentencePiece: merges become scores, tokens have their kinds', async () => {
    const checkpoint = await withTokenizer('mistral');
    const { metadata, written } = await readBack(checkpoint);
    const tokens = metadata['tokenizer.ggml.tokens'] as string[];
    const scores = metadata['tokenizer.ggml.scores'] as number[];
    const types = metadata['tokenizer.ggml.token_type'] as number[];
    expect(written.noVocabulary).toBeNull();
    expect(metadata['tokenizer.ggml.model']).toBe('llama');
    const json = JSON.parse(checkpoint.tokenizer!.json) as TokenizerJson;
    const made = json.model.merges.map((pair) =>
      typeof pair === 'string' ? pair.replace(' ', '') : (pair as string[]).join(''),
    );
    expect(made.map((token) => scores[tokens.indexOf(token)])).toEqual(made.map((_, rank) => 0 - rank));
    expect(types[tokens.indexOf('<0x0A>')]).toBe(6);
    expect(types[tokens.indexOf('<unk>')]).toBe(2);
    expect(types[tokens.indexOf('</s>')]).toBe(3);
    expect(types.at(-1)).toBe(5); // no token: padding
  });

  it.each<[string, (json: TokenizerJson) => void]>([
    ['a split of a token that is no merge', ({ model }) => void model.merges.shift()],
    ['merges of one token apart', ({ model }) => void model.merges.push(model.merges[0])],
    ['another normalizer', (json) => void Object.assign(json, { normalizer: { type: 'Lowercase' } })],
    [
      'a token beyond the vocabulary',
      (json) => void Object.assign(json.added_tokens[0]!, { id: 10_000_000 }),
    ],
  ])('SentencePiece with %s is left out', async (_, change) => {
    const { weights } = await withTokenizer('mistral');
    const changed = { ...(await withTokenizer('chatml')), weights };
    const json = JSON.parse(
      readFileSync(join(fixtures, 'chat/mistral/tokenizer.json'), 'utf8'),
    ) as TokenizerJson;
    change(json);
    const tokenizer = { json: JSON.stringify(json), config: null };
    const { written, metadata } = await readBack({ ...changed, tokenizer });
    expect(written.noVocabulary).not.toBeNull();
    expect(metadata['tokenizer.ggml.tokens']).toBeUndefined();
  });

  it('byte-level BPE without a token for each byte is left out', async () => {
    const checkpoint = await withTokenizer('chatml', (json) => {
      json.pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false };
      delete json.model.vocab.Ġ;
      Object.assign(json.model, { ignore_merges: false, merges: [] });
    });
    expect((await readBack(checkpoint)).written.noVocabulary).toContain('1 of the 256 bytes');
  });

  const regex = (digits: string) =>
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  const splitBy = (pattern: string) => ({
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  it.each([
    ['llama-bpe', splitBy(regex(String.raw`\p{N}{1,3}`)), true],
    ['qwen2', splitBy(regex(String.raw`\p{N}`)), false],
    ['gpt-2', byteLevel, false],
    [
      'smollm',
      { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] },
      false,
    ],
    [null, splitBy(String.raw`\s+`), false],
    [null, { ...byteLevel, add_prefix_space: true }, false],
    [null, byteLevel, true],
  ])('byte-level BPE: %s', async (name, preTokenizer, ignoreMerges) => {
    const checkpoint = await withTokenizer('chatml', (json) => {
      json.pre_tokenizer = preTokenizer;
      Object.assign(json.model, { ignore_merges: ignoreMerges });
    });
    const { metadata, written } = await readBack(checkpoint);
    expect(metadata['tokenizer.ggml.pre'] ?? null).toBe(name);
    expect(written.noVocabulary === null).toBe(name !== null);
    if (name !== null) expect(metadata['tokenizer.ggml.merges']).toHaveLength(8);
  });
});
