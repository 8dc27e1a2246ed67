import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parametersOf } from '../../src/lm/architecture.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { type NamedTensor, readSafetensors, writeSafetensors } from '../../src/lm/safetensors.js';
import { emptyWeights, weightsHash } from '../../src/lm/weights.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/llama/${name}`, import.meta.url));
const NAMES = [
  'gqa-untied',
  'tied-old-spelling',
  'biases',
  'wide-heads',
  'rope-llama3-old',
  'rope-linear-new',
  'f16',
  'bf16',
  'sharded',
];

let root = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'soliloquy-checkpoint-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const fresh = async (name?: string): Promise<string> => {
  const dir = join(root, String(count++));
  if (name) await cp(fixture(name), dir, { recursive: true });
  return dir;
};
const edit = async (path: string, change: (json: Record<string, unknown>) => void) => {
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  change(json);
  await writeFile(path, JSON.stringify(json));
};
const rewrite = async (dir: string, change: (tensors: readonly NamedTensor[]) => readonly NamedTensor[]) => {
  const path = join(dir, 'model.safetensors');
  const tensors = change(await readSafetensors(path));
  const handle = await open(path, 'w');
  await writeSafetensors(handle, tensors);
  await handle.close();
};
const rejection = (dir: string) => readCheckpoint(dir).catch((error: unknown) => error);

describe('reading a checkpoint', () => {
  it.each(NAMES)('%s: every parameter stands at its canonical place, in shared memory', async (name) => {
    const { weights } = await readCheckpoint(fixture(name));
    expect(weights.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    const files = (await readdir(fixture(name))).filter((file) => file.endsWith('.safetensors'));
    const tensors = (
      await Promise.all(files.map((file) => readSafetensors(join(fixture(name), file))))
    ).flat();
    const parameters = parametersOf(weights.architecture);
    expect(tensors.map((t) => t.name).sort()).toEqual(parameters.map((p) => p.name).sort());
    for (const { name: of, data } of tensors) {
      const { offset, size } = parameters.find((p) => p.name === of)!;
      expect(weights.data.subarray(offset, offset + size)).toEqual(data);
    }
  });

  it('end-of-text ids may be several', async () => {
    expect((await readCheckpoint(fixture('wide-heads'))).eosIds).toEqual([2, 7]);
  });

  it('a missing tensor is named', async () => {
    const dir = await fresh('f16');
    await rewrite(dir, (tensors) => tensors.filter((t) => t.name !== 'model.norm.weight'));
    expect(await rejection(dir)).toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: 'model.norm.weight' },
    });
  });

  it('an unknown tensor is named', async () => {
    const dir = await fresh('f16');
    await rewrite(dir, (tensors) => [
      ...tensors,
      { name: 'model.extra', shape: [1], data: Float32Array.of(1) },
    ]);
    expect(await rejection(dir)).toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: 'model.extra' },
    });
  });

  it('a bias that the config denies is an unknown tensor, not skipped', async () => {
    const dir = await fresh('biases');
    await edit(join(dir, 'config.json'), (config) => Object.assign(config, { mlp_bias: false }));
    expect(await rejection(dir)).toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: expect.stringContaining('mlp') },
    });
  });

  it('a transposed tensor is named', async () => {
    const dir = await fresh('f16');
    const name = 'model.layers.0.mlp.up_proj.weight';
    await rewrite(dir, (tensors) =>
      tensors.map((t) => (t.name === name ? { ...t, shape: t.shape.toReversed() } : t)),
    );
    expect(await rejection(dir)).toMatchObject({ code: 'checkpoint.invalid', fields: { tensor: name } });
  });

  it('a tied model may bring a head that is its embedding, and no other', async () => {
    const dir = await fresh('tied-old-spelling');
    const withHead = (bump: number) => (tensors: readonly NamedTensor[]) => {
      const rest = tensors.filter((t) => t.name !== 'lm_head.weight');
      const data = Float32Array.from(rest.find((t) => t.name === 'model.embed_tokens.weight')!.data);
      data[5]! += bump;
      return [...rest, { name: 'lm_head.weight', shape: [64, 16], data }];
    };
    await rewrite(dir, withHead(0));
    expect(weightsHash((await readCheckpoint(dir)).weights)).toBe(
      weightsHash((await readCheckpoint(fixture('tied-old-spelling'))).weights),
    );
    await rewrite(dir, withHead(1));
    expect(await rejection(dir)).toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: 'lm_head.weight' },
    });
  });

  it('rotary buffers of old exports carry no parameter and are passed over', async () => {
    const dir = await fresh('f16');
    const name = 'model.layers.0.self_attn.rotary_emb.inv_freq';
    await rewrite(dir, (tensors) => [...tensors, { name, shape: [4], data: new Float32Array(4) }]);
    expect((await readCheckpoint(dir)).weights.data.length).toBeGreaterThan(0);
  });

  it.each(['../f16/model.safetensors', '/etc/passwd', 'a\\b.safetensors', 'sub/x.safetensors', '..'])(
    'an index that names %s is refused',
    async (shard) => {
      const dir = await fresh('sharded');
      await edit(join(dir, 'model.safetensors.index.json'), (index) => {
        (index.weight_map as Record<string, string>)['model.norm.weight'] = shard;
      });
      expect(await rejection(dir)).toMatchObject({ code: 'checkpoint.invalid', fields: { shard } });
    },
  );

  it('a shard that is not there, and a tensor that stands in two shards, are errors', async () => {
    const gone = await fresh('sharded');
    await rm(join(gone, 'model-00002-of-00004.safetensors'));
    expect(await rejection(gone)).toMatchObject({ code: 'checkpoint.missing' });
    const twice = await fresh('sharded');
    await cp(join(twice, 'model-00001-of-00004.safetensors'), join(twice, 'extra.safetensors'));
    await edit(join(twice, 'model.safetensors.index.json'), (index) => {
      (index.weight_map as Record<string, string>).again = 'extra.safetensors';
    });
    expect(await rejection(twice)).toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: expect.any(String) },
    });
  });

  it('a folder that is no model is missing, not empty', async () => {
    expect(await rejection(join(root, 'nowhere'))).toMatchObject({ code: 'checkpoint.missing' });
    const dir = await fresh('f16');
    await rm(join(dir, 'model.safetensors'));
    expect(await rejection(dir)).toMatchObject({ code: 'checkpoint.missing' });
  });

  it('any cut or changed byte of config.json or of the header is a clear error or the same weights', async () => {
    const name = 'bf16';
    const hash = weightsHash((await readCheckpoint(fixture(name))).weights);
    const dir = await fresh(name);
    const flips = fc.record({
      file: fc.constantFrom('config.json', 'model.safetensors'),
      at: fc.nat(1800),
      byte: fc.nat(255),
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(flips, async ({ file, at, byte, cut }) => {
        const whole = await readFile(join(fixture(name), file));
        const header = file === 'config.json' ? whole.length : 8 + Number(whole.readBigUInt64LE(0));
        const bytes = Buffer.from(cut ? whole.subarray(0, at % whole.length) : whole);
        if (!cut) bytes[at % header] = byte;
        await writeFile(join(dir, file), bytes);
        const read = await rejection(dir);
        await writeFile(join(dir, file), whole);
        if (isSoliloquyError(read)) return;
        expect(read).not.toBeInstanceOf(Error);
        expect(weightsHash((read as Awaited<ReturnType<typeof readCheckpoint>>).weights)).toBe(hash);
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});

describe('writing a checkpoint', () => {
  it.each(NAMES)('%s, written and read again, is the same model', async (name) => {
    const checkpoint = await readCheckpoint(fixture(name));
    const dir = await fresh();
    await writeCheckpoint(dir, checkpoint);
    const again = await readCheckpoint(dir);
    expect(again.weights.architecture).toEqual(checkpoint.weights.architecture);
    expect(weightsHash(again.weights)).toBe(weightsHash(checkpoint.weights));
    expect(again.eosIds).toEqual(checkpoint.eosIds);
    expect((await readdir(dir)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
  });

  it('tokenizer files are written as they were read', async () => {
    const dir = await fresh();
    const tokenizer = { json: '{ "odd":   "spacing" }', config: '{"add_bos_token": true}' };
    await writeCheckpoint(dir, { ...(await readCheckpoint(fixture('f16'))), tokenizer });
    expect((await readCheckpoint(dir)).tokenizer).toEqual(tokenizer);
  });

  it('a model that was made here needs no config to start from', async () => {
    const { architecture } = (await readCheckpoint(fixture('rope-llama3-old'))).weights;
    const dir = await fresh();
    await writeCheckpoint(dir, {
      weights: emptyWeights(architecture),
      tokenizer: null,
      bosId: 1,
      eosIds: [2, 3],
      config: null,
      generationConfig: null,
    });
    const again = await readCheckpoint(dir);
    expect(again.weights.architecture).toEqual(architecture);
    expect(again).toMatchObject({ bosId: 1, eosIds: [2, 3] });
  });

  it('what can not be written leaves nothing under its name, nor beside it', async () => {
    const checkpoint = await readCheckpoint(fixture('f16'));
    const dir = await fresh();
    await mkdir(join(dir, 'model.safetensors'), { recursive: true });
    await expect(writeCheckpoint(dir, checkpoint)).rejects.toMatchObject({
      code: 'log.write',
      fields: { file: join(dir, 'model.safetensors') },
    });
    expect((await readdir(dir)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
    const file = join(root, 'a-file');
    await writeFile(file, '');
    await expect(writeCheckpoint(join(file, 'model'), checkpoint)).rejects.toMatchObject({
      code: 'log.write',
    });
  });

  // Every write to /dev/full fails with ENOSPC: a full disk without one.
  it('a full disk is a clear error', async () => {
    const dir = await fresh();
    await mkdir(dir);
    await symlink('/dev/full', join(dir, `.config.json.${process.pid}.part`));
    const error = await writeCheckpoint(dir, await readCheckpoint(fixture('f16'))).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'log.write', cause: { code: 'ENOSPC' } });
    expect(await readdir(dir)).toEqual(['generation_config.json']);
  });
});

describe('the hash of weights', () => {
  it('is sha-256 over names, shapes and little-endian bytes in canonical order', async () => {
    const { createHash } = await import('node:crypto');
    const { weights } = await readCheckpoint(fixture('bf16'));
    const hash = createHash('sha256');
    for (const p of parametersOf(weights.architecture)) {
      hash.update(`${p.name} [${p.shape.join(',')}]\n`);
      const bytes = Buffer.alloc(4 * p.size);
      for (let i = 0; i < p.size; i++) bytes.writeFloatLE(weights.data[p.offset + i]!, 4 * i);
      hash.update(bytes);
    }
    expect(weightsHash(weights)).toBe(hash.digest('hex'));
  });

  it('changes with any bit of any weight', async () => {
    const { weights } = await readCheckpoint(fixture('bf16'));
    const before = weightsHash(weights);
    const words = new Uint32Array(weights.data.buffer);
    words[words.length - 1]! ^= 1;
    expect(weightsHash(weights)).not.toBe(before);
  });
});
