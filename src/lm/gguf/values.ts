/**
 * The bytes of a GGUF header (version 3, little-endian): typed metadata values and tensor infos.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Pure; knows nothing of models.
 */
export type GgufValue =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'i32s' | 'f32s'; readonly value: readonly number[] };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export const u32 = (value: number): GgufValue => ({ type: 'u32', value });
export const f32 = (value: number): GgufValue => ({ type: 'f32', value });
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value });
export const text = (value: string): GgufValue => ({ type: 'string', value });

/** ggml's numbers for the types of a tensor's elements. */
export const GGML_TYPE = { f32: 0, f16: 1 } as const;
export type GgufDtype = keyof typeof GGML_TYPE;
export const BYTES_OF: Readonly<Record<GgufDtype, number>> = { f32: 4, f16: 2 };

/** The data begins at a multiple of it, and so does each tensor. */
export const ALIGNMENT = 32;
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export interface GgufTensorInfo {
  readonly name: string;
  /** As everywhere here, outermost first; the file has them innermost first. */
  readonly shape: readonly number[];
  readonly dtype: GgufDtype;
}

const CODE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
const VERSION = 3;

const number = (bytes: number, write: (view: DataView) => void): Uint8Array => {
  const out = new Uint8Array(bytes);
  write(new DataView(out.buffer));
  return out;
};
const u32Bytes = (value: number) => number(4, (view) => view.setUint32(0, value, true));
const u64Bytes = (value: number) => number(8, (view) => view.setBigUint64(0, BigInt(value), true));

function* stringBytes(value: string): Generator<Uint8Array> {
  const bytes = Buffer.from(value, 'utf8');
  yield u64Bytes(bytes.byteLength);
  yield bytes;
}

function* arrayHead(code: number, length: number): Generator<Uint8Array> {
  yield u32Bytes(CODE.array);
  yield u32Bytes(code);
  yield u64Bytes(length);
}

/** Type, then value. */
function* valueBytes(value: GgufValue): Generator<Uint8Array> {
  switch (value.type) {
    case 'u32':
      yield u32Bytes(CODE.u32);
      return yield u32Bytes(value.value);
    case 'f32':
      yield u32Bytes(CODE.f32);
      return yield number(4, (view) => view.setFloat32(0, value.value, true));
    case 'bool':
      yield u32Bytes(CODE.bool);
      return yield Uint8Array.of(value.value ? 1 : 0);
    case 'string':
      yield u32Bytes(CODE.string);
      return yield* stringBytes(value.value);
    case 'strings':
      yield* arrayHead(CODE.string, value.value.length);
      for (const one of value.value) yield* stringBytes(one);
      return;
    case 'i32s':
      yield* arrayHead(CODE.i32, value.value.length);
      return yield new Uint8Array(Int32Array.from(value.value).buffer);
    case 'f32s':
      yield* arrayHead(CODE.f32, value.value.length);
      return yield new Uint8Array(Float32Array.from(value.value).buffer);
    default:
      return value satisfies never;
  }
}

function* headerParts(metadata: GgufMetadata, tensors: readonly GgufTensorInfo[]): Generator<Uint8Array> {
  yield Buffer.from('GGUF', 'latin1');
  yield u32Bytes(VERSION);
  yield u64Bytes(tensors.length);
  yield u64Bytes(metadata.size);
  for (const [key, value] of metadata) {
    yield* stringBytes(key);
    yield* valueBytes(value);
  }
  let offset = 0;
  for (const { name, shape, dtype } of tensors) {
    yield* stringBytes(name);
    yield u32Bytes(shape.length);
    for (const size of [...shape].reverse()) yield u64Bytes(size);
    yield u32Bytes(GGML_TYPE[dtype]);
    yield u64Bytes(offset);
    offset += aligned(bytesOf({ shape, dtype }));
  }
}

export const bytesOf = ({ shape, dtype }: Pick<GgufTensorInfo, 'shape' | 'dtype'>): number =>
  shape.reduce((a, b) => a * b, BYTES_OF[dtype]);

/** All that stands before the data, padded to where it begins. Tensors lie in the order given, each at a multiple of 32. */
export function ggufHeader(metadata: GgufMetadata, tensors: readonly GgufTensorInfo[]): Uint8Array {
  const parts = [...headerParts(metadata, tensors)];
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return Buffer.concat(parts, aligned(bytes));
}
