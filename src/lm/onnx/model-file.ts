/**
 * A graph → `model.onnx` and, where its weights would burst one protobuf message, `model.onnx_data`, `model.onnx_data_1`, …
 * beside it, as transformers.js and onnxruntime look for them. Owns which tensor lies where; writes through whole files.
 */
import type { FileHandle } from 'node:fs/promises';
import type { GraphRecord, TensorRecord } from './proto.js';
import { encodeModel } from './proto.js';

export interface FileLimits {
  /** Bytes of weights that may lie in the model file. */
  readonly inside: number;
  /** Bytes of one data file; a larger tensor gets a file of its own. */
  readonly dataFile: number;
}

/** Protobuf ends at 2 GiB, and encoding holds a message a few times over; browsers' buffers end near 2 GiB as well. */
export const FILE_LIMITS: FileLimits = { inside: 2 ** 30, dataFile: 2 ** 31 - 2 ** 20 };

export const MODEL_FILE = 'model.onnx';
/** Tensors below this stay in the model file: shapes and axes must be known before any data is read. */
const SMALL = 1024;
/** So that a data file can be mapped into memory. */
const ALIGNMENT = 4096;

const dataFileName = (index: number): string => `${MODEL_FILE}_data${index === 0 ? '' : `_${index}`}`;
export const isDataFile = (name: string): boolean => /^model\.onnx_data(_\d+)?$/.test(name);

type Placed = TensorRecord & Required<Pick<TensorRecord, 'external'>>;

export interface ModelFile {
  readonly name: string;
  write(handle: FileHandle): Promise<void>;
}

/** Data files first, the model last: a folder that has it is complete. */
export function modelFiles(graph: GraphRecord, limits: FileLimits = FILE_LIMITS): readonly ModelFile[] {
  const bytes = graph.initializers.reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
  const { initializers, data } =
    bytes <= limits.inside
      ? { initializers: graph.initializers, data: [] }
      : placed(graph.initializers, limits.dataFile);
  return [
    ...data.map((tensors, index) => ({
      name: dataFileName(index),
      write: (handle: FileHandle) => writeTensors(handle, tensors),
    })),
    {
      name: MODEL_FILE,
      write: (handle: FileHandle) => handle.writeFile(encodeModel({ ...graph, initializers })),
    },
  ];
}

/** Gives every large tensor its file and place, in order. */
function placed(
  tensors: readonly TensorRecord[],
  limit: number,
): { readonly initializers: readonly TensorRecord[]; readonly data: readonly (readonly Placed[])[] } {
  const data: Placed[][] = [[]];
  let end = 0;
  const initializers = tensors.map((tensor) => {
    const { byteLength } = tensor.bytes;
    if (byteLength < SMALL) return tensor;
    let offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    if (offset > 0 && offset + byteLength > limit) {
      data.push([]);
      offset = 0;
    }
    end = offset + byteLength;
    const at = { ...tensor, external: { file: dataFileName(data.length - 1), offset } };
    data.at(-1)!.push(at);
    return at;
  });
  return { initializers, data };
}

async function writeTensors(handle: FileHandle, tensors: readonly Placed[]): Promise<void> {
  let end = 0;
  for (const { bytes, external } of tensors) {
    await handle.writeFile(new Uint8Array(external.offset - end));
    await handle.writeFile(bytes);
    end = external.offset + bytes.byteLength;
  }
}
