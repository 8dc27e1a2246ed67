/** `config.json` of GPT-2 ↔ `Architecture`. What we don't compute is refused by its field, never guessed. */
import { z } from 'zod';
import type { Activation, Architecture } from './architecture.js';
import { invalid, unsupported } from './config-errors.js';

const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 24);

const configSchema = z.looseObject({
  vocab_size: count.default(50257),
  n_positions: count.default(1024),
  n_embd: count.default(768),
  n_layer: count.max(4096).default(12),
  n_head: count.default(12),
  n_inner: count.nullish(),
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  tie_word_embeddings: z.boolean().default(true),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.boolean().default(false),
});

/** gelu_new and gelu_pytorch_tanh are one formula. */
const ACTIVATION: ReadonlyMap<string, Activation> = new Map([
  ['gelu', 'gelu'],
  ['gelu_new', 'gelu-tanh'],
  ['gelu_pytorch_tanh', 'gelu-tanh'],
]);

export function gpt2Architecture(file: string, raw: object): Architecture {
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) throw invalid(file, z.prettifyError(parsed.error));
  const config = parsed.data;
  const activation = ACTIVATION.get(config.activation_function);
  if (activation === undefined)
    throw unsupported(
      file,
      `activation_function "${config.activation_function}" is none of ${[...ACTIVATION.keys()].join(', ')}`,
    );
  if (!config.scale_attn_weights) throw unsupported(file, 'scale_attn_weights is false');
  if (config.scale_attn_by_inverse_layer_idx)
    throw unsupported(file, 'scale_attn_by_inverse_layer_idx is true');
  if (config.add_cross_attention) throw unsupported(file, 'add_cross_attention is true');
  const headDim = config.n_embd / config.n_head;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw invalid(file, `n_embd ${config.n_embd} does not make ${config.n_head} heads (n_head) of even size`);
  return {
    family: 'gpt2',
    vocabSize: config.vocab_size,
    hiddenSize: config.n_embd,
    intermediateSize: config.n_inner ?? 4 * config.n_embd,
    layers: config.n_layer,
    heads: config.n_head,
    kvHeads: config.n_head,
    headDim,
    rmsNormEps: config.layer_norm_epsilon,
    ropeTheta: 10000,
    ropeScaling: null,
    maxPositions: config.n_positions,
    tiedHead: config.tie_word_embeddings,
    attentionBias: true,
    mlpBias: true,
    activation,
  };
}

export const gpt2Config = (a: Architecture): Record<string, unknown> => ({
  vocab_size: a.vocabSize,
  n_positions: a.maxPositions,
  n_embd: a.hiddenSize,
  n_layer: a.layers,
  n_head: a.heads,
  n_inner: a.intermediateSize,
  activation_function: a.activation === 'gelu' ? 'gelu' : 'gelu_new',
  layer_norm_epsilon: a.rmsNormEps,
  tie_word_embeddings: a.tiedHead,
});
