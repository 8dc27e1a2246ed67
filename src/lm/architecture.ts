/**
 * What a model is, said once: its family's traits, its sizes and switches, and the names, shapes and canonical order of its
 * parameters. Names are those of Hugging Face's Llama, in every family; how a family's files call and store them is said in
 * stored-layout.ts. Owns no numbers and no files.
 */
export interface RopeScaling {
  readonly kind: 'llama3' | 'linear' | 'dynamic' | 'yarn';
  readonly factor: number;
  /** llama3 */
  readonly lowFreqFactor?: number;
  readonly highFreqFactor?: number;
  /** llama3, yarn */
  readonly originalMaxPositions?: number;
  /** yarn: turns within the original length from which on a wave is kept, and up to which it is stretched. */
  readonly betaFast?: number;
  readonly betaSlow?: number;
  /** yarn: what cosines and sines are multiplied with. */
  readonly attentionFactor?: number;
  /** yarn: the ramp begins and ends at whole dimensions. */
  readonly truncate?: boolean;
}

export const FAMILIES = ['llama', 'mistral', 'qwen2', 'qwen3', 'gpt2'] as const;
export type Family = (typeof FAMILIES)[number];

/** What all models of a family have in common. */
export interface Traits {
  /** `rms`: x / rms(x) · weight; `layer`: (x − mean) / deviation · weight + bias. */
  readonly norm: 'rms' | 'layer';
  /** `rope`: queries and keys are turned; `learned`: a row a position is added to the embedding. */
  readonly positions: 'rope' | 'learned';
  /** down(f(gate(x)) · up(x)), or down(f(up(x))). */
  readonly gated: boolean;
  /** Each head's query and key is normed before it is turned. */
  readonly headNorm: boolean;
}

const LLAMA: Traits = { norm: 'rms', positions: 'rope', gated: true, headNorm: false };
export const TRAITS: Readonly<Record<Family, Traits>> = {
  llama: LLAMA,
  mistral: LLAMA,
  qwen2: LLAMA,
  qwen3: { ...LLAMA, headNorm: true },
  gpt2: { norm: 'layer', positions: 'learned', gated: false, headNorm: false },
};

export const ACTIVATIONS = ['silu', 'gelu', 'gelu-tanh'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export interface Architecture {
  readonly family: Family;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** ε of every norm, of whichever kind. */
  readonly rmsNormEps: number;
  /** Of no account where positions are learned. */
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly maxPositions: number;
  readonly tiedHead: boolean;
  /** Of all four projections, of none, or of all but the output's. */
  readonly attentionBias: boolean | 'qkv';
  readonly mlpBias: boolean;
  /** Absent: silu. */
  readonly activation?: Activation;
}

export interface Parameter {
  /** Tensor name, as in Hugging Face's Llama. */
  readonly name: string;
  /** Linear weights are [out, in]. */
  readonly shape: readonly number[];
  /** First element in the canonical block, in floats. */
  readonly offset: number;
  readonly size: number;
}

export const EMBEDDING = 'model.embed_tokens.weight';
export const POSITIONS = 'model.embed_positions.weight';

/** Whether the projection of a part of attention has a bias. */
export const hasBias = ({ attentionBias }: Architecture, part: 'q' | 'k' | 'v' | 'o'): boolean =>
  attentionBias === 'qkv' ? part !== 'o' : attentionBias;

type Named = readonly [string, readonly number[]];

function* namesAndShapes(a: Architecture): Generator<Named> {
  const d = a.hiddenSize;
  const { positions } = TRAITS[a.family];
  yield [EMBEDDING, [a.vocabSize, d]];
  if (positions === 'learned') yield [POSITIONS, [a.maxPositions, d]];
  for (let i = 0; i < a.layers; i++) yield* layer(a, `model.layers.${i}`);
  yield* norm(a, 'model.norm', d);
  if (!a.tiedHead) yield ['lm_head.weight', [a.vocabSize, d]];
}

function* layer(a: Architecture, at: string): Generator<Named> {
  const d = a.hiddenSize;
  const q = a.heads * a.headDim;
  const kv = a.kvHeads * a.headDim;
  const { gated, headNorm } = TRAITS[a.family];
  yield* norm(a, `${at}.input_layernorm`, d);
  yield* linear(`${at}.self_attn.q_proj`, q, d, hasBias(a, 'q'));
  yield* linear(`${at}.self_attn.k_proj`, kv, d, hasBias(a, 'k'));
  yield* linear(`${at}.self_attn.v_proj`, kv, d, hasBias(a, 'v'));
  yield* linear(`${at}.self_attn.o_proj`, d, q, hasBias(a, 'o'));
  if (headNorm) {
    yield [`${at}.self_attn.q_norm.weight`, [a.headDim]];
    yield [`${at}.self_attn.k_norm.weight`, [a.headDim]];
  }
  yield* norm(a, `${at}.post_attention_layernorm`, d);
  if (gated) yield* linear(`${at}.mlp.gate_proj`, a.intermediateSize, d, a.mlpBias);
  yield* linear(`${at}.mlp.up_proj`, a.intermediateSize, d, a.mlpBias);
  yield* linear(`${at}.mlp.down_proj`, d, a.intermediateSize, a.mlpBias);
}

function* linear(name: string, out: number, into: number, bias: boolean): Generator<Named> {
  yield [`${name}.weight`, [out, into]];
  if (bias) yield [`${name}.bias`, [out]];
}

function* norm({ family }: Architecture, name: string, size: number): Generator<Named> {
  yield [`${name}.weight`, [size]];
  if (TRAITS[family].norm === 'layer') yield [`${name}.bias`, [size]];
}

/** Every parameter in canonical order. */
export function parametersOf(architecture: Architecture): readonly Parameter[] {
  const out: Parameter[] = [];
  let offset = 0;
  for (const [name, shape] of namesAndShapes(architecture)) {
    const size = shape.reduce((a, b) => a * b, 1);
    out.push({ name, shape, offset, size });
    offset += size;
  }
  return out;
}

/** Number of floats of all parameters. */
export const sizeOf = (architecture: Architecture): number =>
  parametersOf(architecture).reduce((sum, p) => sum + p.size, 0);
