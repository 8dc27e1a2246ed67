/**
 * What stands beside an exported graph: the JSON files by which transformers.js and onnxruntime-genai know what to feed it.
 * Pure: a checkpoint in, records out.
 */
import type { Checkpoint } from '../checkpoint.js';
import { configJson, eosOf } from '../checkpoint-writer.js';
import { tokenizerOf } from '../tokenizer.js';
import { NAMES } from './export-graph.js';

type Json = Readonly<Record<string, unknown>>;

export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Ids that a runtime wants to know, from whatever file of the checkpoint says them. */
export interface SpecialIds {
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  readonly padId: number | undefined;
}

const idIn = (json: Json | null, key: string): number | undefined =>
  typeof json?.[key] === 'number' ? json[key] : undefined;

export function specialIds(checkpoint: Checkpoint): SpecialIds {
  const { tokenizer, bosId, eosIds, config, generationConfig } = checkpoint;
  const padId = idIn(generationConfig, 'pad_token_id') ?? idIn(config, 'pad_token_id');
  if (tokenizer === null) return { bosId, eosIds, padId: padId ?? eosIds[0] };
  const known = tokenizerOf(tokenizer, { bosId, eosIds });
  return { bosId: known.bosId, eosIds: known.eosIds, padId: padId ?? padOf(checkpoint) ?? known.eosIds[0] };
}

/** The id of tokenizer_config.json's pad token. */
function padOf({ tokenizer, bosId, eosIds }: Checkpoint): number | undefined {
  const { pad_token: pad } = JSON.parse(tokenizer?.config ?? '{}') as {
    pad_token?: string | { content?: string } | null;
  };
  const text = typeof pad === 'string' ? pad : pad?.content;
  return text === undefined ? undefined : tokenizerOf(tokenizer!, { bosId, eosIds }).tokenId(text);
}

/** The model's own config.json, and for transformers.js the only precision there is and how many data files. */
export function hostConfig(checkpoint: Checkpoint, dataFiles: number): Json {
  const { kvHeads, headDim } = checkpoint.weights.architecture;
  return {
    ...configJson(checkpoint),
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    'transformers.js_config': {
      dtype: 'fp32',
      ...(dataFiles > 0 && { use_external_data_format: { 'model.onnx': dataFiles } }),
    },
  };
}

/** The model's own, with the ids that it leaves to other files. */
export function generationConfig(checkpoint: Checkpoint, { bosId, eosIds, padId }: SpecialIds): Json {
  const own = checkpoint.generationConfig ?? {};
  const said = (key: string): boolean => own[key] != null;
  return {
    ...own,
    ...(!said('bos_token_id') && bosId !== undefined && { bos_token_id: bosId }),
    ...(!said('eos_token_id') && eosIds.length > 0 && { eos_token_id: eosOf(eosIds) }),
    ...(!said('pad_token_id') && padId !== undefined && { pad_token_id: padId }),
  };
}

/**
 * tokenizer_config.json as it stood, with two mends for transformers.js: it takes a tokenizer with its config or none, and
 * its pipeline puts a BOS token before a prompt only where `add_bos_token` says so.
 */
export function tokenizerConfig(checkpoint: Checkpoint, { bosId, eosIds, padId }: SpecialIds): string {
  const { tokenizer, weights } = checkpoint;
  const known = tokenizerOf(tokenizer!, { bosId, eosIds });
  const startsWithBos = bosId !== undefined && known.encodePrompt('')[0] === bosId;
  const bos = startsWithBos ? { add_bos_token: true } : {};
  if (tokenizer!.config !== null) {
    const own = JSON.parse(tokenizer!.config) as Json;
    return startsWithBos && own.add_bos_token == null ? jsonText({ ...own, ...bos }) : tokenizer!.config;
  }
  const token = (name: string, id: number | undefined): Json =>
    id === undefined ? {} : { [name]: known.decode([id]) };
  return jsonText({
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    model_max_length: weights.architecture.maxPositions,
    ...token('bos_token', bosId),
    ...token('eos_token', eosIds[0]),
    ...token('pad_token', padId),
    ...bos,
  });
}

/** genai_config.json; onnxruntime-genai refuses fields that it doesn't know, and null. */
export function genaiConfig(checkpoint: Checkpoint, { bosId, eosIds, padId }: SpecialIds): Json {
  const { maxPositions, headDim, hiddenSize, heads, layers, kvHeads, vocabSize } =
    checkpoint.weights.architecture;
  const own = checkpoint.generationConfig ?? {};
  const number = (key: string, fallback: number) => idIn(own, key) ?? fallback;
  return {
    model: {
      type: 'llama',
      vocab_size: vocabSize,
      context_length: maxPositions,
      ...(bosId !== undefined && { bos_token_id: bosId }),
      ...(eosIds.length > 0 && { eos_token_id: eosOf(eosIds) }),
      ...(padId !== undefined && { pad_token_id: padId }),
      decoder: {
        session_options: { log_id: 'onnxruntime-genai', provider_options: [] },
        filename: 'onnx/model.onnx',
        head_size: headDim,
        hidden_size: hiddenSize,
        num_attention_heads: heads,
        num_hidden_layers: layers,
        num_key_value_heads: kvHeads,
        inputs: {
          input_ids: NAMES.ids,
          attention_mask: NAMES.mask,
          position_ids: NAMES.positions,
          past_key_names: NAMES.pastKey,
          past_value_names: NAMES.pastValue,
        },
        outputs: {
          logits: NAMES.logits,
          present_key_names: NAMES.presentKey,
          present_value_names: NAMES.presentValue,
        },
      },
    },
    search: {
      do_sample: own.do_sample === true,
      max_length: maxPositions,
      min_length: 0,
      num_beams: 1,
      num_return_sequences: 1,
      past_present_share_buffer: false,
      repetition_penalty: number('repetition_penalty', 1),
      temperature: number('temperature', 1),
      top_k: number('top_k', 50),
      top_p: number('top_p', 1),
    },
  };
}
