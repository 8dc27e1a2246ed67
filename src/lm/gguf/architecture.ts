/**
 * An architecture → llama.cpp's names for it: metadata keys, tensor names, and the order in which its Llama wants queries and keys. As
 * llama.cpp's convert_hf_to_gguf.py writes them. What llama.cpp has no certain way to say is refused, never left out.
 */
import { SoliloquyError } from '../../protocol/errors.js';
import {
  type Architecture,
  EMBEDDING,
  type Parameter,
  parametersOf,
  type RopeScaling,
} from '../architecture.js';
import { inverseFrequencies } from '../rope.js';
import { f32, type GgufValue, text, u32 } from './values.js';

/** general.architecture; llama.cpp has no Mistral of its own: it is a Llama there. */
const NAME = { llama: 'llama', mistral: 'llama', qwen2: 'qwen2', qwen3: 'qwen3' } as const;
type GgufFamily = keyof typeof NAME;

const unsupported = (what: string, fields: Record<string, unknown>): SoliloquyError =>
  new SoliloquyError('checkpoint.unsupported', `no GGUF of this model: ${what}`, {
    fix: 'Export it with --format hf, and convert that with a tool that knows it.',
    ...fields,
  });

function familyOf({ family }: Architecture): GgufFamily {
  if (family in NAME) return family as GgufFamily;
  throw unsupported(`the family "${family}" is none of ${Object.keys(NAME).join(', ')}`, { family });
}

/** What can't be said is refused; asked before anything is written. */
export function checkGguf(architecture: Architecture): void {
  const family = familyOf(architecture);
  if (family === 'qwen3' && architecture.attentionBias !== false)
    throw unsupported('llama.cpp’s qwen3 has no biases in attention', { family });
  const { heads, headDim, hiddenSize } = architecture;
  if (family === 'qwen2' && heads * headDim !== hiddenSize)
    throw unsupported(`llama.cpp’s qwen2 has ${hiddenSize} query dimensions, not ${heads * headDim}`, {});
  const scaling = architecture.ropeScaling;
  if (scaling?.kind !== 'yarn') return;
  if (scaling.truncate === false)
    throw unsupported('llama.cpp’s YaRN ramp begins and ends at whole dimensions (truncate is false)', {});
  // llama.cpp has them as flags of its program; keys for them in the file are not read (checked with a release of 2026-11).
  if ((scaling.betaFast ?? 32) !== 32 || (scaling.betaSlow ?? 1) !== 1)
    throw unsupported('YaRN with other betas than 32 and 1', {});
  const usual = 1 + 0.1 * Math.log(scaling.factor);
  if (scaling.factor < 1 || Math.abs((scaling.attentionFactor ?? usual) - usual) > 1e-6)
    throw unsupported(`YaRN with attention_factor ${scaling.attentionFactor}, not 1 + 0.1 ln factor`, {});
}

/** Differences within what llama.cpp can say; for people. */
export const ggufNotes = ({ ropeScaling }: Architecture): readonly string[] =>
  ropeScaling?.kind === 'dynamic'
    ? [
        'llama.cpp has no dynamic RoPE scaling: within the context the numbers are the same, beyond it they are not',
      ]
    : [];

function scalingKeys(scaling: RopeScaling | null): [string, GgufValue][] {
  if (scaling === null) return [];
  switch (scaling.kind) {
    // Its factors are a tensor, below.
    case 'llama3':
    case 'dynamic':
      return [];
    case 'linear':
      return [
        ['rope.scaling.type', text('linear')],
        ['rope.scaling.factor', f32(scaling.factor)],
      ];
    case 'yarn':
      return [
        ['rope.scaling.type', text('yarn')],
        ['rope.scaling.factor', f32(scaling.factor)],
        ['rope.scaling.original_context_length', u32(scaling.originalMaxPositions ?? 2048)],
      ];
    default:
      return scaling.kind satisfies never;
  }
}

export const ggufName = (a: Architecture): string => NAME[familyOf(a)];

/** The keys under the architecture's own name. */
export function architectureKeys(a: Architecture): [string, GgufValue][] {
  const own: [string, GgufValue][] = [
    ['vocab_size', u32(a.vocabSize)],
    ['context_length', u32(a.maxPositions)],
    ['embedding_length', u32(a.hiddenSize)],
    ['block_count', u32(a.layers)],
    ['feed_forward_length', u32(a.intermediateSize)],
    ['attention.head_count', u32(a.heads)],
    ['attention.head_count_kv', u32(a.kvHeads)],
    ['attention.key_length', u32(a.headDim)],
    ['attention.value_length', u32(a.headDim)],
    ['attention.layer_norm_rms_epsilon', f32(a.rmsNormEps)],
    ['rope.freq_base', f32(a.ropeTheta)],
    ['rope.dimension_count', u32(a.headDim)],
    ...scalingKeys(a.ropeScaling),
  ];
  return own.map(([key, value]) => [`${ggufName(a)}.${key}`, value]);
}

const OUTER: Readonly<Record<string, string>> = {
  [EMBEDDING]: 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};
const IN_LAYER: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};
const LAYER = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/;

function tensorName(name: string): string {
  const [, layer, part, kind] = LAYER.exec(name) ?? [];
  const theirs = part === undefined ? OUTER[name] : IN_LAYER[part];
  if (theirs === undefined) throw new TypeError(`${name} has no name in GGUF`);
  return part === undefined ? theirs : `blk.${layer}.${theirs}.${kind}`;
}

export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  numbers(): Float32Array;
}

/**
 * llama.cpp turns Llama's pairs of neighbours (2i, 2i + 1), Hugging Face's are half a head apart (i, i + half): row i of a half
 * goes to 2i, row i of the other to 2i + 1. Biases alike.
 */
export function pairedRows(block: Float32Array, heads: number, headDim: number): Float32Array {
  const row = block.length / (heads * headDim);
  const half = headDim / 2;
  const out = new Float32Array(block.length);
  for (let line = 0; line < heads * headDim; line++) {
    const within = line % headDim;
    const to = line - within + (within < half ? 2 * within : 2 * (within - half) + 1);
    out.set(block.subarray(line * row, (line + 1) * row), to * row);
  }
  return out;
}

function tensorOf(a: Architecture, { name, shape, offset, size }: Parameter, data: Float32Array): GgufTensor {
  const own = () => data.subarray(offset, offset + size);
  const [, part] = /self_attn\.([qk])_proj\./.exec(name) ?? [];
  const paired = part !== undefined && ggufName(a) === 'llama';
  const heads = part === 'q' ? a.heads : a.kvHeads;
  return {
    name: tensorName(name),
    shape,
    numbers: paired ? () => pairedRows(own(), heads, a.headDim) : own,
  };
}

/** Every tensor in the file's order; of a tied model there is no head, llama.cpp takes the embedding. */
export function ggufTensors(a: Architecture, data: Float32Array): readonly GgufTensor[] {
  const tensors = parametersOf(a).map((parameter) => tensorOf(a, parameter, data));
  if (a.ropeScaling?.kind !== 'llama3') return tensors;
  // By what each frequency is divided.
  const factors = (): Float32Array => {
    const scaled = inverseFrequencies(a);
    return inverseFrequencies({ ...a, ropeScaling: null }).map((plain, i) => plain / scaled[i]!);
  };
  return [...tensors, { name: 'rope_freqs.weight', shape: [a.headDim / 2], numbers: factors }];
}
