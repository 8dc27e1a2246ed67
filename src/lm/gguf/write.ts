/**
 * A checkpoint → one GGUF file (version 3) that llama.cpp and what is built on it load. The file is whole or absent. Matrices are
 * in the precision asked for, norms and biases always in float32, as llama.cpp wants them.
 */
import type { FileHandle } from 'node:fs/promises';
import { SoliloquyError } from '../../protocol/errors.js';
import type { Checkpoint } from '../checkpoint.js';
import { writeWhole } from '../checkpoint-writer.js';
import {
  architectureKeys,
  checkGguf,
  type GgufTensor,
  ggufName,
  ggufNotes,
  ggufTensors,
} from './architecture.js';
import { halves } from './half.js';
import {
  ALIGNMENT,
  aligned,
  bytesOf,
  type GgufDtype,
  type GgufMetadata,
  type GgufValue,
  ggufHeader,
  text,
  u32,
} from './values.js';
import { vocabularyOf } from './vocabulary.js';

export interface GgufOptions {
  readonly dtype: GgufDtype;
  /** general.name */
  readonly name: string;
  readonly license?: string;
  /** Kept under `soliloquy.`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface GgufWritten {
  /** Null: the tokenizer is in the file. Else why llama.cpp can't have it, and takes and gives token ids only. */
  readonly noVocabulary: string | null;
  readonly notes: readonly string[];
}

/** llama_ftype */
const FILE_TYPE: Readonly<Record<GgufDtype, number>> = { f32: 0, f16: 1 };

function bytesFor(tensor: GgufTensor, dtype: GgufDtype): Uint8Array {
  const numbers = tensor.numbers();
  const stored = dtype === 'f32' ? numbers : halves(numbers);
  if (stored === null)
    throw new SoliloquyError('checkpoint.unsupported', `${tensor.name} holds numbers too large for F16`, {
      tensor: tensor.name,
      fix: 'export with --dtype f32',
    });
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function metadataOf(
  { weights: { architecture } }: Checkpoint,
  vocabulary: readonly (readonly [string, GgufValue])[],
  { dtype, name, license, metadata = {} }: GgufOptions,
): GgufMetadata {
  return new Map<string, GgufValue>([
    ['general.architecture', text(ggufName(architecture))],
    ['general.type', text('model')],
    ['general.name', text(name)],
    ...(license === undefined ? [] : ([['general.license', text(license)]] as const)),
    ['general.file_type', u32(FILE_TYPE[dtype])],
    ['general.alignment', u32(ALIGNMENT)],
    ...architectureKeys(architecture),
    ...vocabulary,
    ...Object.entries(metadata).map(([key, value]) => [`soliloquy.${key}`, text(value)] as const),
  ]);
}

export async function writeGguf(
  dir: string,
  file: string,
  checkpoint: Checkpoint,
  options: GgufOptions,
): Promise<GgufWritten> {
  const { architecture, data } = checkpoint.weights;
  checkGguf(architecture);
  const vocabulary = vocabularyOf(checkpoint);
  const tensors = ggufTensors(architecture, data).map((tensor) => ({
    ...tensor,
    dtype: tensor.shape.length > 1 ? options.dtype : ('f32' as const),
  }));
  const header = ggufHeader(metadataOf(checkpoint, vocabulary.keys, options), tensors);
  await writeWhole(dir, file, async (handle: FileHandle) => {
    await handle.writeFile(header);
    for (const tensor of tensors) {
      await handle.writeFile(bytesFor(tensor, tensor.dtype));
      const bytes = bytesOf(tensor);
      if (aligned(bytes) > bytes) await handle.writeFile(new Uint8Array(aligned(bytes) - bytes));
    }
  });
  return { noVocabulary: vocabulary.reason, notes: ggufNotes(architecture) };
}
