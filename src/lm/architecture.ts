/**
 * What a model is, said once: sizes and switches of the Hugging Face Llama layout, and the names, shapes and canonical
 * order of its parameters. Owns no numbers and no files.
 */
export interface RopeScaling {
  readonly kind: 'llama3' | 'linear';
  readonly factor: number;
  readonly lowFreqFactor?: number;
  readonly highFreqFactor?: number;
  readonly originalMaxPositions?: number;
}

export interface Architecture {
  readonly family: 'llama';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly maxPositions: number;
  readonly tiedHead: boolean;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

export interface Parameter {
  /** Hugging Face tensor name. */
  readonly name: string;
  /** Hugging Face shape: linear weights are [out, in]. */
  readonly shape: readonly number[];
  /** First element in the canonical block, in floats. */
  readonly offset: number;
  readonly size: number;
}

function* namesAndShapes(a: Architecture): Generator<readonly [string, readonly number[]]> {
  const d = a.hiddenSize;
  const q = a.heads * a.headDim;
  const kv = a.kvHeads * a.headDim;
  yield ['model.embed_tokens.weight', [a.vocabSize, d]];
  for (let i = 0; i < a.layers; i++) {
    const at = `model.layers.${i}`;
    yield [`${at}.input_layernorm.weight`, [d]];
    for (const [name, out, into] of [
      ['q', q, d],
      ['k', kv, d],
      ['v', kv, d],
      ['o', d, q],
    ] as const) {
      yield [`${at}.self_attn.${name}_proj.weight`, [out, into]];
      if (a.attentionBias) yield [`${at}.self_attn.${name}_proj.bias`, [out]];
    }
    yield [`${at}.post_attention_layernorm.weight`, [d]];
    for (const [name, out, into] of [
      ['gate', a.intermediateSize, d],
      ['up', a.intermediateSize, d],
      ['down', d, a.intermediateSize],
    ] as const) {
      yield [`${at}.mlp.${name}_proj.weight`, [out, into]];
      if (a.mlpBias) yield [`${at}.mlp.${name}_proj.bias`, [out]];
    }
  }
  yield ['model.norm.weight', [d]];
  if (!a.tiedHead) yield ['lm_head.weight', [a.vocabSize, d]];
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
