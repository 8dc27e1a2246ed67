/**
 * What llama.cpp's two tokenizers are made of, read from a tokenizer.json: a text for each id, and merges. What has no such parts is
 * told with its reason.
 */
import { z } from 'zod';
import type { TokenizerFiles } from '../checkpoint.js';

const part = z
  .looseObject({ type: z.string() })
  .nullish()
  .transform((value) => value ?? null);
const schema = z.looseObject({
  normalizer: part,
  pre_tokenizer: part,
  added_tokens: z
    .array(z.looseObject({ id: z.number(), content: z.string(), special: z.boolean().nullish() }))
    .nullish()
    .transform((value) => value ?? []),
  model: z.looseObject({
    type: z.string().nullish(),
    vocab: z.record(z.string(), z.number()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).default([]),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
  }),
});
export type TokenizerJson = z.output<typeof schema>;

/** Why llama.cpp can't have this tokenizer. */
export interface NoVocabulary {
  readonly reason: string;
}

/** What both kinds are made of. */
export interface Pieces {
  readonly json: TokenizerJson;
  /** Text of each id, as long as the model's vocabulary. */
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
}

export const isReason = <T extends object>(value: T | NoVocabulary): value is NoVocabulary =>
  'reason' in value;

/** Ids without a text are padding of the embedding. */
function tokensOf(json: TokenizerJson, vocabSize: number): readonly string[] | NoVocabulary {
  const tokens: string[] = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const all = [
    ...Object.entries(json.model.vocab),
    ...json.added_tokens.map(({ content, id }) => [content, id] as const),
  ];
  for (const [content, id] of all) {
    if (id >= vocabSize)
      return { reason: `its token ${id} is beyond the model's vocabulary of ${vocabSize}` };
    tokens[id] = content;
  }
  if (new Set(tokens).size < tokens.length) return { reason: 'one text has two ids' };
  return tokens;
}

export function piecesOf(files: TokenizerFiles, vocabSize: number): Pieces | NoVocabulary {
  const parsed = schema.safeParse(JSON.parse(files.json));
  if (!parsed.success) return { reason: 'it has no vocabulary of texts with ids (Unigram, perhaps)' };
  const json = parsed.data;
  const tokens = tokensOf(json, vocabSize);
  if (isReason(tokens)) return tokens;
  const merges = json.model.merges.map((merge): readonly [string, string] => {
    if (typeof merge !== 'string') return merge;
    const at = merge.indexOf(' ', 1);
    return [merge.slice(0, at), merge.slice(at + 1)];
  });
  if (merges.some((pair) => pair.some((side) => side === '' || side.includes(' '))))
    return { reason: 'its merges hold spaces' };
  return { json, tokens, merges };
}
