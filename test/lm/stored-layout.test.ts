/** Checkpoints of every family go back to disk as they came: names, shapes and numbers of transformers' own files. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FAMILIES, parametersOf } from '../../src/lm/architecture.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { initialise } from '../../src/lm/initialise.js';
import { openSafetensors } from '../../src/lm/safetensors.js';
import { isBuffer, knownAs, pack, storedTensors, unpack } from '../../src/lm/stored-layout.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const work = mkdtempSync(join(tmpdir(), 'soliloquy-layout-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

async function tensorsIn(dir: string) {
  const file = await openSafetensors(join(dir, 'model.safetensors'));
  try {
    const out = new Map<string, { shape: string; data: Float32Array }>();
    for (const entry of file.entries.values()) {
      const data = new Float32Array(entry.shape.reduce((a, b) => a * b, 1));
      await file.read(entry, data);
      out.set(entry.name, { shape: entry.shape.join(), data });
    }
    return out;
  } finally {
    await file.close();
  }
}

const OTHERS = FAMILIES.filter((family) => family !== 'llama').flatMap((family) =>
  readdirSync(join(FIXTURES, family)).map((name) => join(family, name)),
);

describe('checkpoints of other families', () => {
  it.each(OTHERS)(
    '%s is written with the tensors that it was read with, under the same class',
    async (name) => {
      const checkpoint = await readCheckpoint(join(FIXTURES, name));
      const { architecture } = checkpoint.weights;
      const to = join(work, name);
      await writeCheckpoint(to, checkpoint);
      const [before, after] = [await tensorsIn(join(FIXTURES, name)), await tensorsIn(to)];
      for (const [own, tensor] of before) {
        if (isBuffer(architecture, own)) before.delete(own);
        else if (knownAs(architecture, own) !== own) {
          before.delete(own);
          before.set(knownAs(architecture, own), tensor);
        }
      }
      expect(new Map([...after].sort())).toEqual(new Map([...before].sort()));
      const again = await readCheckpoint(to);
      expect(again.weights).toEqual(checkpoint.weights);
      expect(again.config!.architectures).toEqual(checkpoint.config!.architectures);
    },
  );

  it.each(OTHERS)('%s made anew here, without a config of its own, reads back', async (name) => {
    const read = await readCheckpoint(join(FIXTURES, name));
    const weights = initialise(read.weights.architecture, 1);
    const to = join(work, 'new', name);
    await writeCheckpoint(to, { ...read, weights, config: null, generationConfig: null });
    expect((await readCheckpoint(to)).weights).toEqual(weights);
  });

  it('gpt2 — every parameter stands in one place of one stored tensor', async () => {
    const { weights } = await readCheckpoint(join(FIXTURES, 'gpt2/untied-gelu'));
    const block = new Float32Array(weights.data.length);
    const tensors = storedTensors(weights.architecture);
    for (const tensor of tensors) unpack(tensor, pack(tensor, weights.data), block);
    expect(block).toEqual(Float32Array.from(weights.data));
    const held = tensors.flatMap(({ parts }) => parts.map(({ name }) => name));
    expect(held.sort()).toEqual(
      parametersOf(weights.architecture)
        .map(({ name }) => name)
        .sort(),
    );
  });
});
