/** Folders in PEFT's layout: written, read, merged; chains; and what is refused. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { writeAdapter } from '../../src/lm/adapter-writer.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { type Adapter, factorsOf, freshAdapter, mergeLayer } from '../../src/lm/lora.js';
import { readSafetensors } from '../../src/lm/safetensors.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';
import type { LoraConfig } from '../../src/protocol/lm.js';
import { temporaryFolder } from '../support/tiny-run.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const folder = temporaryFolder();
afterAll(() => folder.remove());
let made = 0;
const newDir = () => join(folder.path, `model-${made++}`);

const LORA: LoraConfig = { rank: 2, alpha: 6, dropout: 0, targets: [] };

/** A base and an adapter on it, side by side; B is not zero. */
async function pair(name = 'llama/gqa-untied', lora = LORA) {
  const base = newDir();
  const checkpoint = await readCheckpoint(join(FIXTURES, name));
  await writeCheckpoint(base, checkpoint);
  const { architecture, data } = checkpoint.weights;
  const adapter: Adapter = {
    lora,
    data: freshAdapter(architecture, lora, [1, made]).map((x, i) => x + Math.sin(i) / 9),
  };
  const dir = newDir();
  await writeAdapter(dir, base, checkpoint, adapter);
  const merged = data.slice();
  for (const layer of factorsOf(architecture, adapter)) mergeLayer(layer, data, merged);
  return { base, dir, checkpoint, adapter, merged };
}

const configOf = (dir: string) =>
  JSON.parse(readFileSync(join(dir, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
const change = (dir: string, fields: object): void =>
  writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify({ ...configOf(dir), ...fields }));

describe('an adapter’s folder', () => {
  it.each(['llama/gqa-untied', 'qwen3/tied', 'gpt2/tied', 'gpt2/hub-names'])(
    '%s — what is written is read as the base with it merged, to the bit',
    async (name) => {
      const { dir, merged, checkpoint } = await pair(name);
      const read = await readCheckpoint(dir);
      expect(read.weights.data).toEqual(merged);
      expect(read.eosIds).toEqual(checkpoint.eosIds);
      expect('adapter' in read).toBe(false);
    },
  );

  it('has PEFT’s names and shapes: lora_A [r, in], lora_B [out, r]; of GPT-2 one pair for c_attn', async () => {
    const { dir } = await pair('gpt2/tied', { ...LORA, targets: ['c_attn'] });
    const tensors = await readSafetensors(join(dir, 'adapter_model.safetensors'));
    const hidden = tensors[0]!.shape[1]!;
    expect(tensors.slice(0, 2).map(({ name, shape }) => [name, shape])).toEqual([
      ['base_model.model.transformer.h.0.attn.c_attn.lora_A.weight', [2, hidden]],
      ['base_model.model.transformer.h.0.attn.c_attn.lora_B.weight', [3 * hidden, 2]],
    ]);
    expect(configOf(dir)).toMatchObject({
      r: 2,
      lora_alpha: 6,
      target_modules: ['c_attn'],
      fan_in_fan_out: true,
    });
  });

  it('may stand on an adapter, by a path from its own folder; each is added once, in order', async () => {
    const first = await pair();
    change(first.dir, { base_model_name_or_path: `../${first.base.split('/').at(-1)}` });
    const second = newDir();
    await writeAdapter(second, `../${first.dir.split('/').at(-1)}`, first.checkpoint, first.adapter);
    const expected = first.merged.slice();
    for (const layer of factorsOf(first.checkpoint.weights.architecture, first.adapter))
      mergeLayer(layer, first.merged, expected);
    expect((await readCheckpoint(second)).weights.data).toEqual(expected);
  });

  it('scales by alpha / √r where PEFT’s rank-stabilized option says so', async () => {
    const { dir, checkpoint, adapter } = await pair();
    change(dir, { use_rslora: true });
    const expected = checkpoint.weights.data.slice();
    for (const layer of factorsOf(checkpoint.weights.architecture, adapter))
      mergeLayer({ ...layer, scaling: 6 / Math.sqrt(2) }, checkpoint.weights.data, expected);
    expect((await readCheckpoint(dir)).weights.data).toEqual(expected);
  });

  it('whose base is missing says where it looked and what to do: checkpoint.missing', async () => {
    const { dir, base } = await pair();
    rmSync(base, { recursive: true });
    await expect(readCheckpoint(dir)).rejects.toMatchObject({ code: 'checkpoint.missing', fields: { base } });
    change(dir, { base_model_name_or_path: 'meta-llama/Llama-3.2-1B' });
    await expect(readCheckpoint(dir)).rejects.toMatchObject({
      code: 'checkpoint.missing',
      fields: { fix: expect.stringContaining('base_model_name_or_path') },
    });
  });

  it('that stands on itself, directly, around a corner or through a link, is refused: checkpoint.invalid', async () => {
    const [a, b] = [await pair(), await pair()];
    change(a.dir, { base_model_name_or_path: '.' });
    await expect(readCheckpoint(a.dir)).rejects.toMatchObject({ code: 'checkpoint.invalid' });
    change(a.dir, { base_model_name_or_path: b.dir });
    change(b.dir, { base_model_name_or_path: a.dir });
    await expect(readCheckpoint(a.dir)).rejects.toMatchObject({ code: 'checkpoint.invalid' });
    const link = newDir();
    symlinkSync(a.dir, link);
    change(b.dir, { base_model_name_or_path: link });
    await expect(readCheckpoint(a.dir)).rejects.toMatchObject({ code: 'checkpoint.invalid' });
  });

  it.each([
    [{ peft_type: 'LOHA' }],
    [{ use_dora: true }],
    [{ bias: 'all' }],
    [{ modules_to_save: ['lm_head'] }],
    [{ rank_pattern: { q_proj: 4 } }],
    [{ alpha_pattern: { q_proj: 4 } }],
    [{ layer_replication: [[0, 4]] }],
  ])('with %j, which would change the numbers, is refused: checkpoint.unsupported', async (fields) => {
    const { dir } = await pair();
    change(dir, fields);
    await expect(readCheckpoint(dir)).rejects.toMatchObject({ code: 'checkpoint.unsupported' });
  });

  it('of another base, of a wrong rank, or with a tensor too few or too many is refused by the tensor’s name', async () => {
    const { dir } = await pair();
    change(dir, { r: 3 });
    await expect(readCheckpoint(dir)).rejects.toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: expect.stringContaining('lora_A') },
    });
    const other = await pair('gpt2/tied');
    change(other.dir, { base_model_name_or_path: (await pair()).base });
    await expect(readCheckpoint(other.dir)).rejects.toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: expect.stringContaining('transformer.h') },
    });
  });

  it('truncated or with flipped bits gives a clear error or finite weights, never a crash', async () => {
    const { dir } = await pair();
    const whole = readFileSync(join(dir, 'adapter_model.safetensors'));
    const config = readFileSync(join(dir, 'adapter_config.json'));
    const names = ['adapter_model.safetensors', 'adapter_config.json'] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.nat(),
        fc.nat(7),
        fc.boolean(),
        async (name, at, bit, cut) => {
          const own = newDir();
          cpSync(dir, own, { recursive: true });
          const bytes = Buffer.from(name === names[0] ? whole : config);
          const place = at % bytes.length;
          bytes[place]! ^= 1 << bit;
          writeFileSync(join(own, name), cut ? bytes.subarray(0, place) : bytes);
          try {
            expect((await readCheckpoint(own)).weights.data.every(Number.isFinite)).toBe(true);
          } catch (error) {
            expect(isSoliloquyError(error) ? error.code : error).toMatch(/^(checkpoint|data)\./);
          } finally {
            rmSync(own, { recursive: true });
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('beside a whole model is not looked at: a merged folder is that model', async () => {
    const { base, checkpoint } = await pair();
    mkdirSync(join(base, 'unused'));
    writeFileSync(join(base, 'adapter_config.json'), '{"peft_type":"LOHA"}');
    expect((await readCheckpoint(base)).weights.data).toEqual(checkpoint.weights.data);
    expect(readdirSync(base)).toContain('model.safetensors');
  });
});
