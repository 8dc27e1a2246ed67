/**
 * The parameters of one version as tensors. Linear weights are kept as kernels [in, out], so that every forward product
 * is an untransposed 2-D matmul (the only fast kind on wasm); the Hugging Face [out, in] block stays on the host and is
 * uploaded where a backward pass wants it. Owns all tensors that outlive a call.
 */
import * as tf from '@tensorflow/tfjs-core';
import { SoliloquyError } from '../../protocol/errors.js';
import {
  type Activation,
  type Architecture,
  EMBEDDING,
  type Parameter,
  POSITIONS,
  parametersOf,
  sizeOf,
  TRAITS,
} from '../architecture.js';
import type { Weights } from '../engine.js';
import type { LowRank } from './lora.js';

export interface LinearPart {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
}

/** One or several linear maps of the same input, side by side. */
export interface Linear {
  readonly parts: readonly LinearPart[];
  readonly inSize: number;
  readonly outSize: number;
  /** Host copy or view, [out, in]. */
  readonly rows: Float32Array;
  readonly kernel: tf.Tensor2D; // [in, out]
  readonly bias: tf.Tensor1D | null; // [out]
  /** Absent: no adapter is added. */
  readonly lowRank?: LowRank;
}

interface Vector {
  readonly parameter: Parameter;
  readonly values: tf.Tensor1D; // [D]
}

/** A norm's; one with a bias is a LayerNorm's. */
export interface Gain extends Vector {
  readonly bias: Vector | null;
}

/** A table that lines are looked up in; host view, [rows, D]. */
export interface Table {
  readonly parameter: Parameter;
  readonly rows: Float32Array;
}

export interface LayerParameters {
  readonly attentionNorm: Gain;
  readonly qkv: Linear;
  /** Of each head's query and key, where a family has them. */
  readonly headNorms: { readonly q: Gain; readonly k: Gain } | null;
  readonly output: Linear;
  readonly mlpNorm: Gain;
  /** null: the MLP has no gate. */
  readonly gate: Linear | null;
  readonly activation: Activation;
  readonly up: Linear;
  readonly down: Linear;
}

export interface ModelParameters {
  readonly architecture: Architecture;
  readonly embedding: Table;
  /** null: positions are not learned. */
  readonly positions: Table | null;
  readonly layers: readonly LayerParameters[];
  readonly finalNorm: Gain;
  readonly head: Linear;
  dispose(): void;
}

/** Rows of all parts in one [out, in] block: a view where they lie side by side, else a copy. */
function stackRows(data: Float32Array, parts: readonly LinearPart[], size: number): Float32Array {
  const first = parts[0]!.weight;
  if (parts.every((p) => p.bias === null)) return data.subarray(first.offset, first.offset + size);
  const rows = new Float32Array(size);
  let at = 0;
  for (const { weight } of parts) {
    rows.set(data.subarray(weight.offset, weight.offset + weight.size), at);
    at += weight.size;
  }
  return rows;
}

class Upload {
  readonly tensors: tf.Tensor[] = [];
  private readonly byName: ReadonlyMap<string, Parameter>;

  constructor(private readonly weights: Weights) {
    this.byName = new Map(parametersOf(weights.architecture).map((p) => [p.name, p]));
  }

  parameter(name: string): Parameter {
    return this.byName.get(name)!;
  }

  view(parameter: Parameter): Float32Array {
    return this.weights.data.subarray(parameter.offset, parameter.offset + parameter.size);
  }

  private own<T extends tf.Tensor>(tensor: T): T {
    this.tensors.push(tensor);
    return tensor;
  }

  private vector(parameter: Parameter): Vector {
    return { parameter, values: this.own(tf.tensor1d(this.view(parameter).slice())) };
  }

  gain(name: string): Gain {
    const bias = this.byName.get(`${name}.bias`);
    return {
      ...this.vector(this.parameter(`${name}.weight`)),
      bias: bias === undefined ? null : this.vector(bias),
    };
  }

  table(name: string): Table {
    const parameter = this.parameter(name);
    return { parameter, rows: this.view(parameter) };
  }

  linear(...names: readonly string[]): Linear {
    const parts = names.map((name) => ({
      weight: this.parameter(`${name}.weight`),
      bias: this.byName.get(`${name}.bias`) ?? null,
    }));
    const inSize = parts[0]!.weight.shape[1]!;
    const outSize = parts.reduce((sum, p) => sum + p.weight.shape[0]!, 0);
    const rows = stackRows(this.weights.data, parts, outSize * inSize);
    const kernel = this.own(
      tf.tidy(() => tf.transpose<tf.Tensor2D>(tf.tensor2d(rows.slice(), [outSize, inSize]))),
    );
    const biases = parts.flatMap((p) => (p.bias === null ? [] : [...this.view(p.bias)]));
    const bias = biases.length === 0 ? null : this.own(tf.tensor1d(biases));
    return { parts, inSize, outSize, rows, kernel, bias };
  }
}

function uploadLayer(
  upload: Upload,
  index: number,
  { family, activation = 'silu' }: Architecture,
): LayerParameters {
  const at = `model.layers.${index}`;
  const { gated, headNorm } = TRAITS[family];
  const headNorms = () => ({
    q: upload.gain(`${at}.self_attn.q_norm`),
    k: upload.gain(`${at}.self_attn.k_norm`),
  });
  return {
    attentionNorm: upload.gain(`${at}.input_layernorm`),
    qkv: upload.linear(`${at}.self_attn.q_proj`, `${at}.self_attn.k_proj`, `${at}.self_attn.v_proj`),
    headNorms: headNorm ? headNorms() : null,
    output: upload.linear(`${at}.self_attn.o_proj`),
    mlpNorm: upload.gain(`${at}.post_attention_layernorm`),
    gate: gated ? upload.linear(`${at}.mlp.gate_proj`) : null,
    activation,
    up: upload.linear(`${at}.mlp.up_proj`),
    down: upload.linear(`${at}.mlp.down_proj`),
  };
}

export function uploadParameters(weights: Weights): ModelParameters {
  const { architecture, data } = weights;
  const expected = sizeOf(architecture);
  if (data.length !== expected) {
    throw new SoliloquyError(
      'model.failed',
      `Weights hold ${data.length} floats, the architecture wants ${expected}.`,
    );
  }
  const upload = new Upload(weights);
  return {
    architecture,
    embedding: upload.table(EMBEDDING),
    positions: TRAITS[architecture.family].positions === 'learned' ? upload.table(POSITIONS) : null,
    layers: Array.from({ length: architecture.layers }, (_, i) => uploadLayer(upload, i, architecture)),
    finalNorm: upload.gain('model.norm'),
    head: upload.linear(architecture.tiedHead ? 'model.embed_tokens' : 'lm_head'),
    dispose: () => tf.dispose(upload.tensors),
  };
}
