/**
 * RoPE's part of a Hugging Face config ↔ theta and scaling. Both spellings: `rope_theta` + `rope_scaling` (before
 * transformers 5) and `rope_parameters`. What we don't compute is refused, never guessed.
 */
import { z } from 'zod';
import type { Architecture, RopeScaling } from './architecture.js';
import { invalid, unsupported } from './config-errors.js';

const positive = z.number().positive();
const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 24);

const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: count.nullish(),
  partial_rotary_factor: positive.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: z.number().nonnegative().nullish(),
  beta_slow: z.number().nonnegative().nullish(),
  mscale: z.number().nonnegative().nullish(),
  mscale_all_dim: z.number().nonnegative().nullish(),
  truncate: z.boolean().nullish(),
});
type Rope = z.infer<typeof ropeSchema>;

/** Fields of config.json, to be spread into a family's schema. */
export const ropeFields = {
  max_position_embeddings: count.default(2048),
  rope_theta: positive.nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  original_max_position_embeddings: count.nullish(),
  partial_rotary_factor: positive.nullish(),
};
const fieldsSchema = z.object(ropeFields);
type RopeFields = z.infer<typeof fieldsSchema>;

/** Which spelling counts, as transformers 5 decides: `rope_scaling` before `rope_parameters`, theta inside before outside. */
export function ropeOf(
  file: string,
  config: RopeFields,
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

function scalingOf(file: string, config: RopeFields, rope: Rope): RopeScaling | null {
  const kind = rope.rope_type ?? rope.type ?? 'default';
  const needed = (field: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = rope[field];
    if (value == null) throw invalid(file, `RoPE of type "${kind}" lacks "${field}"`);
    return value;
  };
  const original =
    config.original_max_position_embeddings ??
    rope.original_max_position_embeddings ??
    config.max_position_embeddings;
  if (kind === 'default') return null;
  if (kind === 'linear' || kind === 'dynamic') return { kind, factor: needed('factor') };
  if (kind === 'yarn')
    return yarnOf(rope, original, rope.factor ?? config.max_position_embeddings / original);
  if (kind !== 'llama3')
    throw unsupported(
      file,
      `RoPE of type "${kind}"; default, linear, dynamic, yarn and llama3 can be computed`,
      { ropeType: kind },
    );
  const scaling = { low: needed('low_freq_factor'), high: needed('high_freq_factor') };
  if (scaling.low >= scaling.high)
    throw invalid(file, 'RoPE: low_freq_factor must be below high_freq_factor');
  return {
    kind,
    factor: needed('factor'),
    lowFreqFactor: scaling.low,
    highFreqFactor: scaling.high,
    originalMaxPositions: original,
  };
}

/** Peng et al. 2023, section 3.4, and DeepSeek's two factors on top. */
function yarnOf(rope: Rope, originalMaxPositions: number, factor: number): RopeScaling {
  const mscale = (times: number): number => (factor <= 1 ? 1 : 0.1 * times * Math.log(factor) + 1);
  const both = rope.mscale && rope.mscale_all_dim;
  return {
    kind: 'yarn',
    factor,
    originalMaxPositions,
    betaFast: rope.beta_fast || 32,
    betaSlow: rope.beta_slow || 1,
    truncate: rope.truncate ?? true,
    attentionFactor:
      rope.attention_factor ?? (both ? mscale(rope.mscale!) / mscale(rope.mscale_all_dim!) : mscale(1)),
  };
}

/** The old spelling: every transformers reads it. */
export function ropeJson({ ropeScaling: s }: Architecture): Record<string, unknown> | null {
  if (!s) return null;
  const common = { rope_type: s.kind, factor: s.factor };
  switch (s.kind) {
    case 'linear':
    case 'dynamic':
      return common;
    case 'llama3':
      return {
        ...common,
        low_freq_factor: s.lowFreqFactor,
        high_freq_factor: s.highFreqFactor,
        original_max_position_embeddings: s.originalMaxPositions,
      };
    case 'yarn':
      return {
        ...common,
        beta_fast: s.betaFast,
        beta_slow: s.betaSlow,
        truncate: s.truncate,
        attention_factor: s.attentionFactor,
        original_max_position_embeddings: s.originalMaxPositions,
      };
    default:
      return s.kind satisfies never;
  }
}
