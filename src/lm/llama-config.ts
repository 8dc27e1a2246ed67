/**
 * `config.json` of Hugging Face's Llama ↔ `Architecture`. Both spellings of RoPE: `rope_theta` + `rope_scaling` (before
 * transformers 5) and `rope_parameters`. What we don't compute is refused, never guessed.
 */
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import type { Architecture, RopeScaling } from './architecture.js';

const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 24);
const positive = z.number().positive();
const tokenIdSchema = z.number().int().nonnegative();

const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: count.nullish(),
  partial_rotary_factor: positive.nullish(),
});
type Rope = z.infer<typeof ropeSchema>;

/** Fields we know; others carry no meaning for the numbers or are refused by name below. */
const configSchema = z.looseObject({
  model_type: z.string(),
  architectures: z.array(z.string()).nullish(),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count.max(4096),
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: z.string().default('silu'),
  rms_norm_eps: positive.default(1e-6),
  max_position_embeddings: count.default(2048),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  rope_theta: positive.nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  original_max_position_embeddings: count.nullish(),
  partial_rotary_factor: positive.nullish(),
  quantization_config: z.unknown().optional(),
  bos_token_id: tokenIdSchema.nullish(),
  eos_token_id: z.union([tokenIdSchema, z.array(tokenIdSchema)]).nullish(),
});
type LlamaConfig = z.infer<typeof configSchema>;

const unsupported = (file: string, what: string, fields: Record<string, unknown> = {}) =>
  new SoliloquyError('checkpoint.unsupported', `${file}: ${what}`, {
    file,
    fix: 'Bring a Llama-family checkpoint (LlamaForCausalLM) in plain float weights.',
    ...fields,
  });

function invalid(file: string, what: string): SoliloquyError {
  return new SoliloquyError('checkpoint.invalid', `${file}: ${what}`, { file });
}

function refuseOtherModels(file: string, config: LlamaConfig): void {
  if (config.model_type !== 'llama')
    throw unsupported(file, `model_type "${config.model_type}" is not "llama"`, {
      modelType: config.model_type,
    });
  if (config.architectures?.length && !config.architectures.includes('LlamaForCausalLM'))
    throw unsupported(file, `architecture ${config.architectures.join(', ')} is not LlamaForCausalLM`);
  if (config.hidden_act !== 'silu')
    throw unsupported(file, `hidden_act "${config.hidden_act}" is not "silu"`);
  if (config.quantization_config != null) throw unsupported(file, 'the weights are quantised');
}

/** Which spelling counts, as transformers 5 decides: `rope_scaling` before `rope_parameters`, theta inside before outside. */
function ropeOf(
  file: string,
  config: LlamaConfig,
): { readonly theta: number; readonly scaling: RopeScaling | null } {
  const rope: Rope = config.rope_scaling ?? config.rope_parameters ?? {};
  if (
    Object.values(rope).some((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
  )
    throw unsupported(file, 'RoPE parameters that differ by layer');
  if ((rope.partial_rotary_factor ?? config.partial_rotary_factor ?? 1) !== 1)
    throw unsupported(file, 'RoPE on a part of the head (partial_rotary_factor)');
  const theta = rope.rope_theta ?? config.rope_theta ?? 10000;
  return { theta, scaling: scalingOf(file, config, rope) };
}

function scalingOf(file: string, config: LlamaConfig, rope: Rope): RopeScaling | null {
  const kind = rope.rope_type ?? rope.type ?? 'default';
  const needed = (field: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = rope[field];
    if (value == null) throw invalid(file, `RoPE of type "${kind}" lacks "${field}"`);
    return value;
  };
  if (kind === 'default') return null;
  if (kind === 'linear') return { kind, factor: needed('factor') };
  if (kind !== 'llama3')
    throw unsupported(file, `RoPE of type "${kind}"; default, linear and llama3 can be computed`, {
      ropeType: kind,
    });
  const scaling = { low: needed('low_freq_factor'), high: needed('high_freq_factor') };
  if (scaling.low >= scaling.high)
    throw invalid(file, 'RoPE: low_freq_factor must be below high_freq_factor');
  return {
    kind,
    factor: needed('factor'),
    lowFreqFactor: scaling.low,
    highFreqFactor: scaling.high,
    originalMaxPositions:
      config.original_max_position_embeddings ??
      rope.original_max_position_embeddings ??
      config.max_position_embeddings,
  };
}

/** `file` is for messages only. */
export function architectureOf(file: string, raw: unknown): Architecture {
  // First what it is, then whether its fields are right: another model's fields are not errors of a Llama.
  const type = z.looseObject({ model_type: z.string() }).safeParse(raw);
  if (type.success && type.data.model_type !== 'llama')
    throw unsupported(file, `model_type "${type.data.model_type}" is not "llama"`, {
      modelType: type.data.model_type,
    });
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) throw invalid(file, z.prettifyError(parsed.error));
  const config = parsed.data;
  refuseOtherModels(file, config);
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? config.hidden_size / heads;
  if (heads % kvHeads !== 0) throw invalid(file, `${heads} heads can't share ${kvHeads} key-value heads`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw invalid(file, `a head of ${headDim} dimensions can't be rotated`);
  const rope = ropeOf(file, config);
  return {
    family: 'llama',
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    layers: config.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    rmsNormEps: config.rms_norm_eps,
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    maxPositions: config.max_position_embeddings,
    tiedHead: config.tie_word_embeddings,
    attentionBias: config.attention_bias ?? false,
    mlpBias: config.mlp_bias ?? false,
  };
}

function ropeJson({ ropeScaling: s }: Architecture): Record<string, unknown> | null {
  if (!s) return null;
  if (s.kind === 'linear') return { rope_type: 'linear', factor: s.factor };
  return {
    rope_type: 'llama3',
    factor: s.factor,
    low_freq_factor: s.lowFreqFactor,
    high_freq_factor: s.highFreqFactor,
    original_max_position_embeddings: s.originalMaxPositions,
  };
}

/** `config.json` of a model that was made here. The old RoPE spelling: every transformers reads it. */
export const configOf = (a: Architecture): Record<string, unknown> => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: a.vocabSize,
  hidden_size: a.hiddenSize,
  intermediate_size: a.intermediateSize,
  num_hidden_layers: a.layers,
  num_attention_heads: a.heads,
  num_key_value_heads: a.kvHeads,
  head_dim: a.headDim,
  hidden_act: 'silu',
  rms_norm_eps: a.rmsNormEps,
  rope_theta: a.ropeTheta,
  rope_scaling: ropeJson(a),
  max_position_embeddings: a.maxPositions,
  tie_word_embeddings: a.tiedHead,
  attention_bias: a.attentionBias,
  mlp_bias: a.mlpBias,
});

const tokensSchema = z.looseObject({
  bos_token_id: tokenIdSchema.nullish(),
  eos_token_id: z.union([tokenIdSchema, z.array(tokenIdSchema)]).nullish(),
});

/** Ids that begin and end a text, from generation_config.json or config.json (first one that says so). */
export function tokenIdsOf(
  file: string,
  ...sources: readonly unknown[]
): { readonly bosId: number | undefined; readonly eosIds: readonly number[] } {
  const said = sources
    .filter((source) => source != null)
    .map((source) => {
      const parsed = tokensSchema.safeParse(source);
      if (!parsed.success) throw invalid(file, z.prettifyError(parsed.error));
      return parsed.data;
    });
  const bos = said.find((s) => s.bos_token_id != null)?.bos_token_id;
  const eos = said.find((s) => s.eos_token_id != null)?.eos_token_id ?? [];
  return { bosId: bos ?? undefined, eosIds: typeof eos === 'number' ? [eos] : eos };
}
