/**
 * The header of a safetensors file: 8 bytes little-endian length, JSON, then the tensors' bytes without gaps.
 * Pure: bytes in, entries out. Every rule broken is `checkpoint.invalid`, with the file and, where one is to blame, the tensor.
 */
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

// biome-ignore format: one line a width
const BYTES_OF = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1,
  U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4,
  U64: 8, I64: 8, F64: 8,
} as const;

export type Dtype = keyof typeof BYTES_OF;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte and one past the last, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

const offset = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({
  dtype: z.enum(Object.keys(BYTES_OF) as [Dtype, ...Dtype[]]),
  shape: z.array(offset).max(8),
  data_offsets: z.tuple([offset, offset]),
});
const metadataSchema = z.record(z.string(), z.string());

const DAMAGED = 'The file is damaged or incomplete: copy or download it again.';

export const invalidCheckpoint = (
  file: string,
  what: string,
  fields: Record<string, unknown> = {},
): SoliloquyError =>
  new SoliloquyError('checkpoint.invalid', `${file}: ${what}`, {
    file,
    fix: DAMAGED,
    ...fields,
  });

/** Length of the JSON that follows the first 8 bytes. */
export function headerLength(file: string, first: Uint8Array, fileBytes: number): number {
  if (first.byteLength < 8) throw invalidCheckpoint(file, `only ${first.byteLength} bytes long`);
  const view = new DataView(first.buffer, first.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
  if (length < 2 || length > MAX_HEADER_BYTES)
    throw invalidCheckpoint(file, `a header of ${length} bytes can't be`);
  if (8 + length > fileBytes)
    throw invalidCheckpoint(file, `the header needs ${8 + length} bytes, the file has ${fileBytes}`);
  return length;
}

function jsonOf(file: string, header: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (cause) {
    throw new SoliloquyError(
      'checkpoint.invalid',
      `${file}: the header is not JSON`,
      { file, fix: DAMAGED },
      { cause },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidCheckpoint(file, 'the header is not an object');
  return value as Record<string, unknown>;
}

function entryOf(file: string, name: string, value: unknown): TensorEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success)
    throw invalidCheckpoint(file, `tensor "${name}": ${z.prettifyError(parsed.error)}`, { tensor: name });
  const { dtype, shape, data_offsets } = parsed.data;
  const [begin, end] = data_offsets;
  const bytes = shape.reduce((a, b) => a * b, BYTES_OF[dtype]);
  if (end - begin !== bytes) {
    const said = `${dtype} [${shape}] needs ${bytes} bytes, its offsets span ${end - begin}`;
    throw invalidCheckpoint(file, `tensor "${name}": ${said}`, { tensor: name });
  }
  return { name, dtype, shape, begin, end };
}

/** All entries in file order; together they cover the data exactly: no overlap, no hole, no rest. */
export function entriesOf(file: string, header: Uint8Array, dataBytes: number): readonly TensorEntry[] {
  const { __metadata__: metadata, ...tensors } = jsonOf(file, header);
  if (metadata !== undefined && !metadataSchema.safeParse(metadata).success)
    throw invalidCheckpoint(file, '__metadata__ is not a map of strings');
  const entries = Object.entries(tensors).map(([name, value]) => entryOf(file, name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (end > dataBytes)
      throw invalidCheckpoint(file, `tensor "${name}" ends at byte ${end} of ${dataBytes}: truncated`, {
        tensor: name,
      });
    if (begin !== at) {
      const said =
        begin < at
          ? `overlaps the one before it by ${at - begin} bytes`
          : `leaves ${begin - at} bytes before it unused`;
      throw invalidCheckpoint(file, `tensor "${name}" ${said}`, { tensor: name });
    }
    at = end;
  }
  if (at !== dataBytes)
    throw invalidCheckpoint(file, `${dataBytes - at} bytes after the last tensor belong to none`);
  return entries;
}

/** What a file says of itself. */
export function metadataOf(file: string, header: Uint8Array): Readonly<Record<string, string>> {
  const parsed = metadataSchema.safeParse(jsonOf(file, header).__metadata__ ?? {});
  return parsed.success ? parsed.data : {};
}

/** Header bytes, length included, of float32 tensors that follow one another; padded so that the data starts at 8·n. */
export function headerOf(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let at = 0;
  const map: [string, unknown][] = [['__metadata__', metadata]];
  for (const { name, shape } of tensors) {
    const end = at + shape.reduce((a, b) => a * b, 4);
    map.push([name, { dtype: 'F32', shape, data_offsets: [at, end] }]);
    at = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(map)));
  const length = Math.ceil(json.byteLength / 8) * 8;
  const out = new Uint8Array(8 + length).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.set(json, 8);
  return out;
}
