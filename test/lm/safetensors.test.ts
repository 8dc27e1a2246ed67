import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type NamedTensor,
  openSafetensors,
  readSafetensors,
  writeSafetensors,
} from '../../src/lm/safetensors.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'soliloquy-safetensors-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const write = async (name: string, tensors: readonly NamedTensor[]): Promise<string> => {
  const handle = await open(join(dir, name), 'w');
  await writeSafetensors(handle, tensors);
  await handle.close();
  return join(dir, name);
};

/** A file from a header of any kind and `dataBytes` zeros. */
const raw = async (name: string, header: unknown, dataBytes: number): Promise<string> => {
  const json = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  await writeFile(join(dir, name), Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  return join(dir, name);
};

const tensor = (name: string, shape: readonly number[], start = 0): NamedTensor => ({
  name,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
    Math.fround(Math.sin(start + i)),
  ),
});

describe('safetensors', () => {
  it('what is written is read again, for any names and shapes', async () => {
    const shapes = fc.array(fc.nat(5), { maxLength: 3 });
    const files = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), shapes), {
      selector: ([name]) => name,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(files, async (named) => {
        fc.pre(named.every(([name]) => name !== '__metadata__' && name !== '__proto__'));
        const tensors = named.map(([name, shape], i) => tensor(name, shape, i));
        const read = await readSafetensors(await write('any.safetensors', tensors));
        const byName = new Map(read.map((t) => [t.name, t]));
        expect(byName.size).toBe(tensors.length);
        for (const t of tensors) expect(byName.get(t.name)).toEqual(t);
      }),
      { numRuns: 60 },
    );
  });

  it('half and brain floats become the same float32 numbers as in IEEE 754', async () => {
    const halves = [0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x8000, 0x3555];
    const brains = [0x3f80, 0xc000, 0x0001, 0x7f7f, 0x3eab];
    const header = {
      h: { dtype: 'F16', shape: [7], data_offsets: [0, 14] },
      b: { dtype: 'BF16', shape: [5], data_offsets: [14, 24] },
    };
    const path = await raw('half.safetensors', header, 24);
    const bytes = await readFile(path);
    [...halves, ...brains].forEach((word, i) => {
      bytes.writeUInt16LE(word, bytes.length - 24 + 2 * i);
    });
    await writeFile(path, bytes);
    const [h, b] = await readSafetensors(path);
    expect([...h!.data]).toEqual([1, -2, 2 ** -24, 1023 * 2 ** -24, 65504, -0, Math.fround(0.333251953125)]);
    expect([...b!.data]).toEqual([
      1,
      -2,
      Math.fround(2 ** -133),
      Math.fround(3.3895313892515355e38),
      Math.fround(0.333984375),
    ]);
  });

  const entry = (begin: number, end: number, shape = [1], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  it.each<[string, unknown, number, string]>([
    ['overlapping tensors', { a: entry(0, 8, [2]), b: entry(4, 8) }, 8, 'b'],
    ['a hole between tensors', { a: entry(0, 4), b: entry(8, 12) }, 12, 'b'],
    ['a tensor past the end', { a: entry(0, 8, [2]) }, 4, 'a'],
    ['bytes that belong to no tensor', { a: entry(0, 4) }, 8, ''],
    ['offsets the wrong way round', { a: entry(4, 0) }, 4, 'a'],
    ['a shape that does not fit its bytes', { a: entry(0, 4, [2]) }, 4, 'a'],
    ['a shape so large that it wraps', { a: entry(0, 4, [2 ** 31, 2 ** 31, 2 ** 31]) }, 4, 'a'],
    ['a negative shape', { a: entry(0, 4, [-1]) }, 4, 'a'],
    ['an unknown type of number', { a: entry(0, 4, [1], 'F31') }, 4, 'a'],
    ['an unknown field', { a: { ...entry(0, 4), extra: 1 } }, 4, 'a'],
    ['metadata that is not text', { __metadata__: { a: 1 }, a: entry(0, 4) }, 4, ''],
    ['a header that is a list', [], 0, ''],
    ['a header that is not JSON', '{"a":', 0, ''],
    ['a header that is not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 0, ''],
  ])('%s is refused with file and tensor', async (_, header, bytes, name) => {
    const path = await raw('bad.safetensors', header, bytes);
    const error = await openSafetensors(path).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'checkpoint.invalid',
      fields: { file: path, ...(name ? { tensor: name } : {}) },
    });
  });

  it.each(['I64', 'F64', 'F8_E4M3'])('a tensor of %s is unsupported, not misread', async (dtype) => {
    const size = { I64: 8, F64: 8, F8_E4M3: 1 }[dtype]!;
    const path = await raw('dtype.safetensors', { a: entry(0, size, [1], dtype) }, size);
    await expect(readSafetensors(path)).rejects.toMatchObject({
      code: 'checkpoint.unsupported',
      fields: { tensor: 'a' },
    });
  });

  it('a tensor that holds NaN is refused by name', async () => {
    const path = await write('nan.safetensors', [
      { name: 'w', shape: [2], data: Float32Array.of(1, Number.NaN) },
    ]);
    await expect(readSafetensors(path)).rejects.toMatchObject({
      code: 'checkpoint.invalid',
      fields: { tensor: 'w' },
    });
  });

  it('a file that is not there is missing', async () => {
    await expect(openSafetensors(join(dir, 'none'))).rejects.toMatchObject({ code: 'checkpoint.missing' });
  });

  it('a truncated file is always a clear error', async () => {
    const path = await write('cut.safetensors', [tensor('a', [4, 4]), tensor('b', [3])]);
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += 3) {
      await writeFile(path, whole);
      await truncate(path, length);
      await expect(readSafetensors(path)).rejects.toSatisfy(isSoliloquyError);
    }
  });

  it('a flipped bit in the header is a clear error or changes no number', async () => {
    const tensors = [tensor('a', [4, 4]), tensor('b', [3])];
    const path = await write('flip.safetensors', tensors);
    const whole = await readFile(path);
    const headerBits = 8 * (8 + Number(whole.readBigUInt64LE(0)));
    const values = tensors.flatMap((t) => [...t.data]);
    for (let bit = 0; bit < headerBits; bit++) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, bytes);
      const read = await readSafetensors(path).catch((error: unknown) => error);
      if (!isSoliloquyError(read))
        expect((read as NamedTensor[]).flatMap((t) => [...t.data])).toEqual(values);
    }
  });
});
