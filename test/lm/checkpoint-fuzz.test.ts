/** Broken checkpoint folders, seeded: our error with a way out, or a model; never a crash, and no memory beyond the files' sizes. Rerun one: FUZZ_SEED=n npx vitest run test/lm/checkpoint-fuzz.test.ts */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createChatTemplate } from '../../src/lm/chat-template.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { headerOf } from '../../src/lm/safetensors-header.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import { readTrainState, writeTrainState } from '../../src/lm/training-checkpoint.js';
import { isSoliloquyError, type SoliloquyError } from '../../src/protocol/errors.js';
import { testFolder } from '../support/folder.js';

const seed = Number(process.env.FUZZ_SEED ?? 20260726);
const settings = (numRuns: number) => ({ seed, numRuns });
const fixtures = join(import.meta.dirname, '../fixtures');
const clock = { now: () => 0 };
const MODELS = ['llama/gqa-untied', 'llama/sharded', 'gpt2/tied', 'qwen3/tied'];
const INDEX = 'model.safetensors.index.json';

/** A model with a tokenizer and a chat template, in a folder of its own. */
function folderOf(model: string, dir = testFolder()): string {
  cpSync(join(fixtures, model), dir, { recursive: true });
  cpSync(join(fixtures, 'chat/chatml'), dir, { recursive: true });
  return dir;
}
const bytesIn = (dir: string): number =>
  readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);

/** Runs `work`; the largest number of bytes that one typed array or shared buffer was asked for. */
async function largestOf(work: () => Promise<void>): Promise<number> {
  let largest = 0;
  const kept = { SharedArrayBuffer, Float32Array, Uint8Array };
  for (const [name, width] of [
    ['SharedArrayBuffer', 1],
    ['Float32Array', 4],
    ['Uint8Array', 1],
  ] as const)
    Object.assign(globalThis, {
      [name]: new Proxy(kept[name], {
        construct(target, args: unknown[], self) {
          if (typeof args[0] === 'number') largest = Math.max(largest, width * args[0]);
          return Reflect.construct(target, args, self) as object;
        },
      }),
    });
  try {
    await work();
  } finally {
    Object.assign(globalThis, kept);
  }
  return largest;
}

/** All doors of a checkpoint. Null: it went well. */
async function opened(dir: string): Promise<SoliloquyError | null> {
  let failure: SoliloquyError | null = null;
  const largest = await largestOf(async () => {
    try {
      const checkpoint = await readCheckpoint(dir);
      if (!checkpoint.tokenizer) return;
      const tokenizer = tokenizerOf(checkpoint.tokenizer, checkpoint);
      tokenizer.decode(tokenizer.encodePrompt('Once upon a time, 12 <|im_end|>\n'));
      const template = createChatTemplate(checkpoint.tokenizer, tokenizer, clock);
      template?.encode([{ role: 'user', content: 'Hello <|im_end|>' }]);
    } catch (error) {
      if (!isSoliloquyError(error)) throw error;
      failure = error;
    }
  });
  // Halves are read as floats, and a frequency is computed for each pair of a head.
  expect(largest).toBeLessThan(4 * bytesIn(dir) + 2 ** 20);
  if (failure !== null) {
    const { code, fields } = failure as SoliloquyError;
    expect(code).toMatch(/^(checkpoint|tokenizer|data)\./);
    expect(fields.fix, `${code}: ${(failure as SoliloquyError).message}`).toBeTypeOf('string');
  }
  return failure;
}

const model = fc.constantFrom(...MODELS);
const share = fc.double({ min: 0, max: 1, noNaN: true });
const fileOf = (dir: string, which: number): string => {
  const names = readdirSync(dir).filter((name) => name !== 'golden.json');
  return join(dir, names[which % names.length]!);
};
const flips = fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 6 });
function flip(bytes: Buffer, places: readonly (readonly [number, number])[], within = bytes.length): Buffer {
  for (const [at, bit] of places) bytes[at % within]! ^= 1 << bit;
  return bytes;
}
/** Fresh copy for each case, in one folder that goes with the test. */
function copies(): (model: string) => string {
  const root = testFolder();
  return (name) => {
    const dir = join(root, 'case');
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
    return folderOf(name, dir);
  };
}

const WRONG: readonly unknown[] = [
  null, true, '', 'constructor', '__proto__', [], {}, [[]], { x: 1 }, -1, 0, 0.5, 3, 1e9, 2 ** 24, 2 ** 53, 1e300, '../x',
]; // biome-ignore format: one list
const wrong = fc.constantFrom(...WRONG);

/** A value replaced, wherever it stands. */
function withWrong(value: unknown, path: readonly number[], other: unknown): unknown {
  if (path.length === 0 || typeof value !== 'object' || value === null) return other;
  const keys = Object.keys(value);
  const key = keys[path[0]! % keys.length];
  if (key === undefined) return other;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  copy[key] = withWrong(copy[key], path.slice(1), other);
  return copy;
}

describe('checkpoint — broken files', { timeout: 120_000 }, () => {
  it('whole ones are read', async () => {
    for (const name of MODELS) expect(await opened(folderOf(name))).toBeNull();
  });

  it('a file cut short anywhere', async () => {
    const fresh = copies();
    const cut = async (name: string, which: number, at: number) => {
      const dir = fresh(name);
      const file = fileOf(dir, which);
      const whole = readFileSync(file);
      writeFileSync(file, whole.subarray(0, Math.floor(at * whole.length)));
      const failure = await opened(dir);
      if (/\.safetensors$/.test(file) && at < 1) expect(failure).not.toBeNull();
    };
    await fc.assert(fc.asyncProperty(model, fc.nat(), share, cut), settings(150));
  });

  it('bits flipped anywhere', async () => {
    const fresh = copies();
    const damage = async (name: string, which: number, places: [number, number][]) => {
      const dir = fresh(name);
      const file = fileOf(dir, which);
      writeFileSync(file, flip(readFileSync(file), places));
      await opened(dir);
    };
    await fc.assert(fc.asyncProperty(model, fc.nat(), flips, damage), settings(100));
  });

  it('bits flipped in a header', async () => {
    const fresh = copies();
    const damage = async (name: string, which: number, places: [number, number][]) => {
      const dir = fresh(name);
      const files = readdirSync(dir).filter((one) => one.endsWith('.safetensors'));
      const file = join(dir, files[which % files.length]!);
      const bytes = readFileSync(file);
      writeFileSync(file, flip(bytes, places, 8 + bytes.readUInt32LE(0)));
      await opened(dir);
    };
    await fc.assert(fc.asyncProperty(model, fc.nat(), flips, damage), settings(200));
  });

  it('values of wrong types and sizes in each JSON file', async () => {
    const fresh = copies();
    const damage = async (name: string, which: number, path: number[], other: unknown) => {
      const dir = fresh(name);
      const files = readdirSync(dir).filter((one) => one.endsWith('.json') && one !== 'golden.json');
      const file = join(dir, files[which % files.length]!);
      writeFileSync(file, JSON.stringify(withWrong(JSON.parse(readFileSync(file, 'utf8')), path, other)));
      await opened(dir);
    };
    const path = fc.array(fc.nat(), { minLength: 0, maxLength: 4 });
    await fc.assert(fc.asyncProperty(model, fc.nat(), path, wrong, damage), settings(200));
  });

  it('values of wrong types and sizes in a header', async () => {
    const fresh = copies();
    const damage = async (name: string, path: number[], other: unknown) => {
      const dir = fresh(name);
      const file = readdirSync(dir).find((one) => one.endsWith('.safetensors'))!;
      const bytes = readFileSync(join(dir, file));
      const length = bytes.readUInt32LE(0);
      const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as unknown;
      const json = Buffer.from(JSON.stringify(withWrong(header, path, other)));
      const size = Buffer.alloc(8);
      size.writeUInt32LE(json.length);
      writeFileSync(join(dir, file), Buffer.concat([size, json, bytes.subarray(8 + length)]));
      await opened(dir);
    };
    const path = fc.array(fc.nat(), { minLength: 0, maxLength: 4 });
    await fc.assert(fc.asyncProperty(model, path, wrong, damage), settings(150));
  });
});

/** A fixture with some fields of its config.json changed. */
function configured(name: string, change: Readonly<Record<string, unknown>>): string {
  const dir = folderOf(name);
  const file = join(dir, 'config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }));
  return dir;
}

describe('checkpoint — absurd sizes are refused before memory is taken', () => {
  it.each([
    ['hidden_size', 1e9],
    ['hidden_size', 2 ** 24],
    ['vocab_size', 1e9],
    ['vocab_size', 2 ** 24],
    ['num_hidden_layers', 1e9],
    ['num_hidden_layers', 4096],
    ['intermediate_size', 2 ** 24],
    ['head_dim', 2 ** 24],
    ['num_attention_heads', 2 ** 24],
  ])('%s of %d', async (field, value) => {
    expect((await opened(configured('llama/gqa-untied', { [field]: value })))?.code).toBe(
      'checkpoint.invalid',
    );
  });

  it('a context of 2^24 positions costs nothing until it is used', async () => {
    expect(await opened(configured('llama/gqa-untied', { max_position_embeddings: 2 ** 24 }))).toBeNull();
  });

  const file = (dir: string) => join(dir, 'model.safetensors');
  it.each([2n ** 60n, 2n ** 63n, 100_000_001n, 99_000_000n])('a header of %d bytes', async (length) => {
    const dir = folderOf('llama/gqa-untied');
    const bytes = readFileSync(file(dir));
    bytes.writeBigUInt64LE(length, 0);
    writeFileSync(file(dir), bytes);
    expect((await opened(dir))?.code).toBe('checkpoint.invalid');
  });

  it.each([[[2 ** 40, 2 ** 40]], [[2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1]], [[2 ** 32, 2 ** 32, 0]]])(
    'a shape of %j',
    async (shape) => {
      const dir = folderOf('llama/gqa-untied');
      const json = { 'model.norm.weight': { dtype: 'F32', shape, data_offsets: [0, 0] } };
      const header = Buffer.from(JSON.stringify(json));
      const size = Buffer.alloc(8);
      size.writeUInt32LE(header.length);
      writeFileSync(file(dir), Buffer.concat([size, header]));
      expect((await opened(dir))?.code).toBe('checkpoint.invalid');
    },
  );

  it('rotations that are no numbers', async () => {
    const rope = { rope_scaling: { rope_type: 'linear', factor: 1e-320 } };
    expect((await opened(configured('llama/gqa-untied', rope)))?.code).toBe('checkpoint.invalid');
  });

  it('an activation that every object has', async () => {
    const failure = await opened(configured('gpt2/tied', { activation_function: 'constructor' }));
    expect(failure?.code).toBe('checkpoint.unsupported');
  });
});

describe('checkpoint — names and links', () => {
  const outside = 'secret.safetensors';
  it.each([
    `../${outside}`,
    `/etc/${outside}`,
    `sub/../../${outside}`,
    `..\\${outside}`,
    `C:${outside}`,
    `sub/${outside}`,
    '..',
    'x\0.safetensors',
    'passwd',
  ])('an index that names %j is refused', async (name) => {
    const dir = folderOf('llama/sharded');
    const index = JSON.parse(readFileSync(join(dir, INDEX), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    index.weight_map['model.norm.weight'] = name;
    writeFileSync(join(dir, INDEX), JSON.stringify(index));
    const failure = await opened(dir);
    expect(failure?.code).toBe('checkpoint.invalid');
    expect(failure?.fields.shard).toBe(name);
  });

  it('links in the folder are followed, as the cache of the Hub has them', async () => {
    const root = testFolder();
    const blobs = join(root, 'blobs');
    const snapshot = join(root, 'snapshots', 'abc');
    mkdirSync(blobs);
    mkdirSync(snapshot, { recursive: true });
    folderOf('llama/gqa-untied', blobs);
    for (const name of readdirSync(blobs)) symlinkSync(join('../../blobs', name), join(snapshot, name));
    expect(await opened(snapshot)).toBeNull();
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors', 'chat_template.jinja'])(
    '%s that is no ordinary file is not read: a folder, a device without end',
    async (name) => {
      const dir = folderOf('llama/gqa-untied');
      rmSync(join(dir, name));
      symlinkSync('/dev/zero', join(dir, name));
      expect((await opened(dir))?.message).toContain('not a file');
      rmSync(join(dir, name));
      mkdirSync(join(dir, name));
      expect((await opened(dir))?.message).toContain('not a file');
    },
  );

  it('a tensor in two shards is refused by its name', async () => {
    const dir = folderOf('llama/sharded');
    const [first] = readdirSync(dir).filter((name) => name.endsWith('.safetensors'));
    cpSync(join(dir, first!), join(dir, 'again.safetensors'));
    const index = JSON.parse(readFileSync(join(dir, INDEX), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    index.weight_map['one.more'] = 'again.safetensors';
    writeFileSync(join(dir, INDEX), JSON.stringify(index));
    expect((await opened(dir))?.message).toContain('stands in');
  });

  it('a number that is none is refused by its tensor', async () => {
    for (const bits of [0x7fc00000, 0x7f800000, 0xff800000]) {
      const dir = folderOf('llama/gqa-untied');
      const path = join(dir, 'model.safetensors');
      const bytes = readFileSync(path);
      bytes.writeUInt32LE(bits, bytes.length - 4);
      writeFileSync(path, bytes);
      const failure = await opened(dir);
      expect(failure?.code).toBe('checkpoint.invalid');
      expect(failure?.fields.tensor).toBeTypeOf('string');
    }
  });
});

describe('tokenizers and chat templates of others', () => {
  const changed = async (
    change: (json: { added_tokens: object[] }) => void,
  ): Promise<SoliloquyError | null> => {
    const dir = folderOf('llama/gqa-untied');
    const json = JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as { added_tokens: object[] };
    change(json);
    writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(json));
    return opened(dir);
  };
  it.each([1e6, 1e9, 2 ** 40])('an added token of id %d costs no memory', async (id) => {
    await changed(({ added_tokens }) => added_tokens.push({ id, content: '<far>', special: true }));
  });

  const templated = async (text: string): Promise<SoliloquyError | null> => {
    const dir = folderOf('llama/gqa-untied');
    writeFileSync(join(dir, 'chat_template.jinja'), text);
    return opened(dir);
  };
  it.each([
    [
      'a range without end',
      '{% for i in range(10 ** 12) %}x{% endfor %}{% for i in range(1000000000000) %}{% endfor %}',
    ],
    ['loops within loops', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'],
    ['a macro that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
    [
      'a text that doubles',
      '{% set n = namespace(x="ab") %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}',
    ],
    [
      'a list that doubles',
      '{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}',
    ],
    ['an output that grows', `{% for i in range(99999) %}${'y'.repeat(1000)}{% endfor %}`],
    ['brackets without end', `{{ ${'('.repeat(50_000)} }}`],
  ])('a template with %s is stopped', async (_, text) => {
    const before = Date.now();
    const failure = await templated(text);
    expect(failure?.code).toMatch(/^(data|tokenizer)\.invalid$/);
    expect(Date.now() - before).toBeLessThan(30_000);
  });
});

describe('a training in mid-epoch', () => {
  const state = (length: number) => ({
    curve: [{ step: 0, steps: 2, learningRate: 0.1, loss: 1, gradNorm: 1 }],
    weights: new Float32Array(length).fill(1),
    mean: new Float32Array(8),
    square: new Float32Array(8),
  });
  it('a damaged file is none: cut, flipped, of unequal lengths, no file', async () => {
    const path = join(testFolder(), 'M1.safetensors');
    await writeTrainState(path, 'a', state(8));
    const whole = readFileSync(path);
    expect((await readTrainState(path, 'a'))?.weights).toEqual(new Float32Array(8).fill(1));
    for (let at = 0; at < whole.length; at += 7) {
      writeFileSync(path, whole.subarray(0, at));
      expect(await readTrainState(path, 'a')).toBeNull();
      const bytes = flip(Buffer.from(whole), [[at, 3]]);
      writeFileSync(path, bytes);
      const read = await readTrainState(path, 'a');
      if (read) expect([read.weights.length, read.mean.length, read.square.length]).toEqual([8, 8, 8]);
    }
    await writeTrainState(path, 'a', state(6));
    expect(await readTrainState(path, 'a')).toBeNull();
    rmSync(path);
    mkdirSync(path);
    expect(await readTrainState(path, 'a')).toBeNull();
  });

  it('a file of zero-size tensors and no more is none', async () => {
    const path = join(testFolder(), 'M1.safetensors');
    writeFileSync(
      path,
      headerOf([{ name: 'weights', shape: [0] }], { training: '{"identity":"a","steps":1,"curve":[1]}' }),
    );
    expect(await readTrainState(path, 'a')).toBeNull();
  });
});
