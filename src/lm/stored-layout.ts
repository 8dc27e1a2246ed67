/**
 * How a family's checkpoint files call and store the parameters. The Llama-like families: each under its own name. GPT-2:
 * linear weights [in, out] (Conv1D), queries, keys and values in one tensor, names of its own. Owns no files.
 */
import { type Architecture, EMBEDDING, type Parameter, POSITIONS, parametersOf } from './architecture.js';

export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** What it holds, one behind the other along the outputs. */
  readonly parts: readonly Parameter[];
  /** Parts are [out, in], this is [in, out]. */
  readonly transposed: boolean;
}

export function storedTensors(architecture: Architecture): readonly StoredTensor[] {
  const parameters = parametersOf(architecture);
  if (architecture.family === 'gpt2') return gpt2Tensors(architecture, parameters);
  return parameters.map((part) => ({ name: part.name, shape: part.shape, parts: [part], transposed: false }));
}

const PREFIX = 'transformer.';

/** Under which name a file's tensor is known here: GPT-2's are saved with the model's prefix or, on the Hub, without. */
export function knownAs({ family }: Architecture, name: string): string {
  if (family !== 'gpt2' || name.startsWith(PREFIX) || name.startsWith('lm_head.')) return name;
  return PREFIX + name;
}

/** Tensors that carry no parameter: old exports' frequencies, and GPT-2's causal masks. */
export const isBuffer = ({ family }: Architecture, name: string): boolean =>
  name.endsWith('.rotary_emb.inv_freq') || (family === 'gpt2' && /\.attn\.(masked_)?bias$/.test(name));

/** Ours and theirs in a layer, and whether it is a linear weight. */
const GPT2_LAYER: readonly (readonly [string, readonly string[], boolean])[] = [
  ['ln_1.weight', ['input_layernorm.weight'], false],
  ['ln_1.bias', ['input_layernorm.bias'], false],
  ['attn.c_attn.weight', ['q', 'k', 'v'].map((part) => `self_attn.${part}_proj.weight`), true],
  ['attn.c_attn.bias', ['q', 'k', 'v'].map((part) => `self_attn.${part}_proj.bias`), false],
  ['attn.c_proj.weight', ['self_attn.o_proj.weight'], true],
  ['attn.c_proj.bias', ['self_attn.o_proj.bias'], false],
  ['ln_2.weight', ['post_attention_layernorm.weight'], false],
  ['ln_2.bias', ['post_attention_layernorm.bias'], false],
  ['mlp.c_fc.weight', ['mlp.up_proj.weight'], true],
  ['mlp.c_fc.bias', ['mlp.up_proj.bias'], false],
  ['mlp.c_proj.weight', ['mlp.down_proj.weight'], true],
  ['mlp.c_proj.bias', ['mlp.down_proj.bias'], false],
];

function gpt2Tensors({ layers, tiedHead }: Architecture, parameters: readonly Parameter[]): StoredTensor[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const stored = (name: string, ours: readonly string[], transposed: boolean): StoredTensor => {
    const parts = ours.map((part) => byName.get(part)!);
    const [, ...inner] = parts[0]!.shape;
    const shape = [parts.reduce((sum, part) => sum + part.shape[0]!, 0), ...inner];
    return { name, shape: transposed ? shape.reverse() : shape, parts, transposed };
  };
  return [
    stored(`${PREFIX}wte.weight`, [EMBEDDING], false),
    stored(`${PREFIX}wpe.weight`, [POSITIONS], false),
    ...Array.from({ length: layers }, (_, layer) =>
      GPT2_LAYER.map(([theirs, ours, transposed]) =>
        stored(
          `${PREFIX}h.${layer}.${theirs}`,
          ours.map((name) => `model.layers.${layer}.${name}`),
          transposed,
        ),
      ),
    ).flat(),
    stored(`${PREFIX}ln_f.weight`, ['model.norm.weight'], false),
    stored(`${PREFIX}ln_f.bias`, ['model.norm.bias'], false),
    ...(tiedHead ? [] : [stored('lm_head.weight', ['lm_head.weight'], false)]),
  ];
}

/** Where a tensor can be read to and written from as it is; undefined: through `unpack` and `pack`. */
export function viewOf({ parts, transposed }: StoredTensor, block: Float32Array): Float32Array | undefined {
  const [first] = parts;
  if (transposed || parts.length > 1) return undefined;
  return block.subarray(first!.offset, first!.offset + first!.size);
}

const sizeOfShape = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Calls `move` with each place in the tensor and the place in the canonical block that belongs to it. */
function eachPlace(
  { shape, parts, transposed }: StoredTensor,
  move: (at: number, own: number) => void,
): void {
  const outs = shape[transposed ? 1 : 0]!;
  const ins = sizeOfShape(shape) / outs;
  let first = 0;
  for (const { shape: own, offset } of parts) {
    for (let out = 0; out < own[0]!; out++)
      for (let i = 0; i < ins; i++)
        move(transposed ? i * outs + first + out : (first + out) * ins + i, offset + out * ins + i);
    first += own[0]!;
  }
}

/** A tensor's numbers into the canonical block. */
export const unpack = (tensor: StoredTensor, numbers: Float32Array, block: Float32Array): void =>
  eachPlace(tensor, (at, own) => {
    block[own] = numbers[at]!;
  });

/** A tensor's numbers out of the canonical block. */
export function pack(tensor: StoredTensor, block: Float32Array): Float32Array {
  const numbers = new Float32Array(sizeOfShape(tensor.shape));
  eachPlace(tensor, (at, own) => {
    numbers[at] = block[own]!;
  });
  return numbers;
}
