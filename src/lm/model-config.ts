/**
 * `config.json` of a Hugging Face checkpoint ↔ `Architecture`: which family it is of, what is refused in all of them, and the
 * ids that begin and end a text. A family's own fields: llama-config.ts, gpt2-config.ts.
 */
import { z } from 'zod';
import { type Architecture, FAMILIES, type Family } from './architecture.js';
import { invalid, unsupported } from './config-errors.js';
import { gpt2Architecture, gpt2Config } from './gpt2-config.js';
import { llamaLikeArchitecture, llamaLikeConfig } from './llama-config.js';

/** The class of transformers that a checkpoint is of. */
export const CLASS_OF: Readonly<Record<Family, string>> = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
  gpt2: 'GPT2LMHeadModel',
};

const headSchema = z.looseObject({
  model_type: z.string(),
  architectures: z.array(z.string()).nullish(),
  quantization_config: z.unknown().optional(),
});

/** `file` is for messages only. First what it is, then whether its fields are right. */
export function architectureOf(file: string, raw: unknown): Architecture {
  const parsed = headSchema.safeParse(raw);
  if (!parsed.success) throw invalid(file, z.prettifyError(parsed.error));
  const { model_type: modelType, architectures, quantization_config: quantised } = parsed.data;
  const family = FAMILIES.find((known) => known === modelType);
  if (family === undefined)
    throw unsupported(file, `model_type "${modelType}" is none of ${FAMILIES.join(', ')}`, { modelType });
  if (architectures?.length && !architectures.includes(CLASS_OF[family]))
    throw unsupported(file, `architectures: ${architectures.join(', ')} is not ${CLASS_OF[family]}`);
  if (quantised != null) throw unsupported(file, 'quantization_config: the weights are quantised');
  return family === 'gpt2'
    ? gpt2Architecture(file, parsed.data)
    : llamaLikeArchitecture(file, family, parsed.data);
}

/** `config.json` of a model that was made here. */
export const configOf = (a: Architecture): Record<string, unknown> => ({
  architectures: [CLASS_OF[a.family]],
  model_type: a.family,
  ...(a.family === 'gpt2' ? gpt2Config(a) : llamaLikeConfig(a)),
});

const tokenIdSchema = z.number().int().nonnegative();
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
