/**
 * `config.json` of the families that are built like Llama (Llama itself and SmolLM, Mistral, Qwen2, Qwen3) ↔ `Architecture`.
 * What a config leaves out has the value of that family's class in transformers; what we don't compute is refused by its
 * field, never guessed.
 */
import { z } from 'zod';
import { type Architecture, type Family, TRAITS } from './architecture.js';
import { invalid, unsupported } from './config-errors.js';
import { ropeFields, ropeJson, ropeOf } from './rope-config.js';

export type LlamaLike = Exclude<Family, 'gpt2'>;

const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 24);
const positive = z.number().positive();

/** Fields we know; others carry no meaning for the numbers or are refused by name below. */
const configSchema = z.looseObject({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count.max(4096),
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: z.string().default('silu'),
  rms_norm_eps: positive.default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  ...ropeFields,
  sliding_window: count.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.number().int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
});
type Config = z.infer<typeof configSchema>;

interface Defaults {
  readonly kvHeads: number | null;
  readonly headDim: number | null;
  readonly maxPositions: number;
}
const DEFAULTS: Readonly<Record<LlamaLike, Defaults>> = {
  llama: { kvHeads: null, headDim: null, maxPositions: 2048 },
  mistral: { kvHeads: 8, headDim: null, maxPositions: 131072 },
  qwen2: { kvHeads: 32, headDim: null, maxPositions: 32768 },
  qwen3: { kvHeads: 32, headDim: 128, maxPositions: 32768 },
};

function parsed(file: string, family: LlamaLike, raw: object): Config {
  const { maxPositions, kvHeads, headDim } = DEFAULTS[family];
  const given = {
    max_position_embeddings: maxPositions,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    ...raw,
  };
  const result = configSchema.safeParse(given);
  if (!result.success) throw invalid(file, z.prettifyError(result.error));
  return result.data;
}

/** Layers' windows, null where a layer sees everything before it. */
function windowOf(family: LlamaLike, config: Config): number | null {
  if (family === 'llama') return null;
  if (family === 'mistral') return config.sliding_window === undefined ? 4096 : config.sliding_window;
  if (!config.use_sliding_window) return null;
  const from = config.max_window_layers ?? 28;
  const some = config.layer_types?.includes('sliding_attention') ?? from < config.num_hidden_layers;
  return some ? (config.sliding_window === undefined ? 4096 : config.sliding_window) : null;
}

/** Positions of the longest sequence. Attention within a window is not computed: up to its length it hides nothing, and no more are taken. */
function positionsOf(file: string, family: LlamaLike, config: Config): number {
  const other = config.layer_types?.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (other !== undefined) throw unsupported(file, `layer_types holds "${other}"`);
  return Math.min(config.max_position_embeddings, windowOf(family, config) ?? Number.POSITIVE_INFINITY);
}

export function llamaLikeArchitecture(file: string, family: LlamaLike, raw: object): Architecture {
  const config = parsed(file, family, raw);
  if (config.hidden_act !== 'silu' && config.hidden_act !== 'swish')
    throw unsupported(file, `hidden_act "${config.hidden_act}" is not "silu"`);
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? config.hidden_size / heads;
  if (heads % kvHeads !== 0) throw invalid(file, `${heads} heads can't share ${kvHeads} key-value heads`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw invalid(file, `a head of ${headDim} dimensions can't be rotated`);
  const rope = ropeOf(file, config);
  return {
    family,
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
    maxPositions: positionsOf(file, family, config),
    tiedHead: config.tie_word_embeddings,
    ...biasesOf(family, config),
  };
}

/** Mistral has none and Qwen2 those of queries, keys and values, whatever the file says. */
function biasesOf(family: LlamaLike, config: Config): Pick<Architecture, 'attentionBias' | 'mlpBias'> {
  if (family === 'mistral') return { attentionBias: false, mlpBias: false };
  if (family === 'qwen2') return { attentionBias: 'qkv', mlpBias: false };
  const attentionBias = config.attention_bias ?? false;
  return { attentionBias, mlpBias: family === 'llama' && (config.mlp_bias ?? false) };
}

export function llamaLikeConfig(a: Architecture): Record<string, unknown> {
  if (!TRAITS[a.family].gated) throw new TypeError(`${a.family} is not built like Llama`);
  return {
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
    ...windowJson(a),
  };
}

function windowJson(a: Architecture): Record<string, unknown> {
  switch (a.family) {
    case 'mistral':
      return { sliding_window: null };
    case 'qwen2':
      return { use_sliding_window: false };
    case 'qwen3':
      return { use_sliding_window: false, attention_bias: a.attentionBias };
    default:
      return { attention_bias: a.attentionBias, mlp_bias: a.mlpBias };
  }
}
