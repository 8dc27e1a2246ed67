/**
 * Safetensors files: F32, F16 and BF16 are read as float32, F32 is written. Values go straight from the file into the
 * caller's block, at most a chunk at a time, so that a checkpoint is in memory once. Little-endian hosts only, as wasm is.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { SoliloquyError } from '../protocol/errors.js';
import {
  entriesOf,
  headerLength,
  headerOf,
  invalidCheckpoint,
  metadataOf,
  type TensorEntry,
} from './safetensors-header.js';

const CHUNK_BYTES = 16 * 1024 * 1024;

export interface SafetensorsFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Fills `into`, as long as the tensor. Refuses NaN and infinity. */
  read(entry: TensorEntry, into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const numbers = new Float32Array(1);
const bits = new Uint32Array(numbers.buffer);
let halves: Float32Array | undefined;

/** All 65,536 half floats. */
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(0x10000);
  for (let h = 0; h < 0x10000; h++) {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) halves[h] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else
      halves[h] =
        sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  }
  return halves;
}

/** Writes the numbers of `bytes` (its start aligned to the width) to `into` from element `at`; returns how many. */
function widen(dtype: 'F32' | 'F16' | 'BF16', bytes: Uint8Array, into: Float32Array, at: number): number {
  if (dtype === 'F32') {
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    into.set(values, at);
    return values.length;
  }
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const table = dtype === 'F16' ? halfTable() : undefined;
  for (let i = 0; i < words.length; i++) {
    if (table) into[at + i] = table[words[i]!]!;
    else {
      bits[0] = words[i]! << 16;
      into[at + i] = numbers[0]!;
    }
  }
  return words.length;
}

/** Reads exactly `length` bytes or fails: a file that shrank under us is truncated. */
async function readExactly(
  file: string,
  handle: FileHandle,
  position: number,
  length: number,
  into: Uint8Array,
): Promise<Uint8Array> {
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(into, done, length - done, position + done);
    if (bytesRead === 0) throw invalidCheckpoint(file, `ends at byte ${position + done}: truncated`);
    done += bytesRead;
  }
  return into.subarray(0, length);
}

async function readTensor(
  file: string,
  handle: FileHandle,
  dataStart: number,
  entry: TensorEntry,
  into: Float32Array,
): Promise<void> {
  const { name, dtype, begin, end } = entry;
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16')
    throw new SoliloquyError(
      'checkpoint.unsupported',
      `${file}: tensor "${name}" is ${dtype}; F32, F16 and BF16 can be read`,
      {
        file,
        tensor: name,
        fix: 'Save the model in float32, float16 or bfloat16.',
      },
    );
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - begin));
  let at = 0;
  for (let from = begin; from < end; from += chunk.byteLength) {
    const bytes = await readExactly(
      file,
      handle,
      dataStart + from,
      Math.min(chunk.byteLength, end - from),
      chunk,
    );
    at += widen(dtype, bytes, into, at);
  }
  const odd = into.findIndex((x) => !Number.isFinite(x));
  if (odd >= 0)
    throw invalidCheckpoint(file, `tensor "${name}" holds ${into[odd]} at element ${odd}`, { tensor: name });
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    // Asked first: to open a pipe would wait for its writer.
    if ((await stat(file)).isFile()) return await open(file, constants.O_RDONLY);
  } catch (cause) {
    throw new SoliloquyError(
      'checkpoint.missing',
      `${file} can't be opened`,
      { file, fix: 'Is the checkpoint whole? Copy or download it again.' },
      { cause },
    );
  }
  throw invalidCheckpoint(file, 'not a file');
}

export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const handle = await openFile(path);
  try {
    const { size } = await handle.stat();
    const first = await readExactly(path, handle, 0, Math.min(8, size), new Uint8Array(8));
    const length = headerLength(path, first, size);
    const header = await readExactly(path, handle, 8, length, new Uint8Array(length));
    const entries = entriesOf(path, header, size - 8 - length);
    return {
      path,
      entries: new Map(entries.map((entry) => [entry.name, entry])),
      metadata: metadataOf(path, header),
      read: (entry, into) => readTensor(path, handle, 8 + length, entry, into),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The whole file. */
export async function readSafetensors(path: string): Promise<readonly NamedTensor[]> {
  const file = await openSafetensors(path);
  try {
    const out: NamedTensor[] = [];
    for (const entry of file.entries.values()) {
      const data = new Float32Array(entry.shape.reduce((a, b) => a * b, 1));
      await file.read(entry, data);
      out.push({ name: entry.name, shape: entry.shape, data });
    }
    return out;
  } finally {
    await file.close();
  }
}

/** Writes to an open file from its start; `format: pt` is what transformers asks for. */
export async function writeSafetensors(
  handle: FileHandle,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await handle.writeFile(headerOf(tensors, { format: 'pt', ...metadata }));
  for (const { data } of tensors) {
    await handle.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
}
