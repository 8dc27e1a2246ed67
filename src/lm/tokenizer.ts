/**
 * The `Tokenizer` port over @huggingface/tokenizers.
 *
 * Who adds `<s>`: `encodePrompt`, where the checkpoint's sequences start with one, that is where its post-processor puts it
 * first (or tokenizer_config.json's `add_bos_token` overrules that); a text that brings its own gets no second one. `encode`
 * adds nothing, so rows are put together as encodePrompt(prompt) + encode(answer). `decode` hides nothing and tidies
 * nothing: special tokens show as their text.
 */
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Tokenizer } from '../protocol/ports.js';
import type { TokenizerFiles } from './checkpoint.js';

/** What we use of the library: its own declarations don't resolve under NodeNext (imports without extensions). */
interface Library {
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly (number | undefined)[] };
  decode(
    ids: readonly number[],
    options: { readonly skip_special_tokens: boolean; readonly clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  readonly model: {
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    readonly unk_token?: string | null;
    /** A BPE model has it, no other. */
    readonly byte_fallback?: boolean;
    readonly end_of_word_suffix?: string | null;
    encode(words: readonly string[]): string[];
  };
}

const part = z
  .looseObject({ type: z.string() })
  .nullish()
  .transform((value) => value ?? null);
const tokenId = z.number().int().nonnegative();
const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.enum(['BPE', 'WordPiece', 'Unigram', 'WordLevel']).nullish(),
    unk_token: z.string().nullish(),
    vocab: z.union([z.record(z.string(), tokenId), z.array(z.tuple([z.string(), z.number()]))]),
  }),
  added_tokens: z
    .array(z.looseObject({ id: tokenId, content: z.string() }))
    .nullish()
    .transform((value) => value ?? []),
  normalizer: part,
  pre_tokenizer: part,
  post_processor: part,
  decoder: part,
});
const named = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({
  bos_token: named,
  eos_token: named,
  unk_token: named,
  add_bos_token: z.boolean().nullish(),
});

const broken = (what: string, cause?: unknown): SoliloquyError =>
  new SoliloquyError(
    'tokenizer.invalid',
    what,
    { fix: 'Is tokenizer.json whole, and of a fast tokenizer?' },
    { cause },
  );

function parse<T>(schema: z.ZodType<T>, name: string, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw broken(`${name} is not JSON`, cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw broken(`${name}: ${z.prettifyError(parsed.error)}`, parsed.error);
  return parsed.data;
}

function build(json: object, config: object): Library {
  try {
    const tokenizer: Library = new HuggingFaceTokenizer(json, config);
    dropUnknownFirst(tokenizer);
    // Some faults (a regular expression, a decoder's field) show only in use.
    tokenizer.encode('A probe, with 1 number.\n', { add_special_tokens: true });
    tokenizer.decode([0], { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    return tokenizer;
  } catch (cause) {
    throw broken(`tokenizer.json can't be used: ${reasonOf(cause)}`, cause);
  }
}

/**
 * BPE without <unk> and byte fallback: a character that is no token goes before the merges, as in the Python tokenizer; the
 * library (0.2) drops it after them, so that its neighbours never meet.
 */
function dropUnknownFirst({ model }: Library): void {
  if (model.byte_fallback !== false || model.unk_token != null || model.end_of_word_suffix) return;
  const known = model.tokens_to_ids;
  const encode = model.encode.bind(model);
  const clean = (word: string) =>
    known.has(word) ? word : [...word].filter((char) => known.has(char)).join('');
  model.encode = (words) => encode(words.map(clean).filter((word) => word !== ''));
}

const contentOf = (token: z.infer<typeof named>): string | undefined =>
  typeof token === 'string' ? token : token?.content;

/** Token texts as plain strings; a WordLevel model looks for its <unk> here, not in itself. */
function libraryConfig(
  { model }: z.infer<typeof tokenizerSchema>,
  config: Partial<z.infer<typeof configSchema>>,
): object {
  const { bos_token: bos, eos_token: eos, unk_token: unk } = config;
  return {
    ...config,
    bos_token: contentOf(bos),
    eos_token: contentOf(eos),
    unk_token: model.unk_token ?? contentOf(unk),
  };
}

/** `ids`: from generation_config.json or config.json; where they are silent, tokenizer_config.json's tokens count. */
export function tokenizerOf(
  files: TokenizerFiles,
  ids: { readonly bosId: number | undefined; readonly eosIds: readonly number[] },
): Tokenizer {
  const json = parse(tokenizerSchema, 'tokenizer.json', files.json);
  const config: Partial<z.infer<typeof configSchema>> =
    files.config === null ? {} : parse(configSchema, 'tokenizer_config.json', files.config);
  const inner = build(json, libraryConfig(json, config));
  const idOf = (token: string | undefined) => (token === undefined ? undefined : inner.token_to_id(token));
  const bosId = ids.bosId ?? idOf(contentOf(config.bos_token));
  const eosId = idOf(contentOf(config.eos_token));
  const encode = (text: string, specials: boolean) => {
    const { ids } = inner.encode(text, { add_special_tokens: specials });
    // Neither token, nor bytes, nor <unk>: the Python tokenizer drops it.
    return ids.filter((id): id is number => id !== undefined);
  };
  const startsWithBos = bosId !== undefined && (config.add_bos_token ?? encode('', true)[0] === bosId);
  return {
    vocabSize: vocabSizeOf(json),
    bosId,
    eosIds: ids.eosIds.length > 0 || eosId === undefined ? ids.eosIds : [eosId],
    encode: (text) => encode(text, false),
    encodePrompt: (text) => {
      const ids = encode(text, false);
      return startsWithBos && ids[0] !== bosId ? [bosId, ...ids] : ids;
    },
    decode: (wanted) => {
      // An id beyond the vocabulary (a padded embedding) has no text, as in Python.
      const known = wanted.filter((id) => inner.id_to_token(id) !== undefined);
      return known.length === 0
        ? ''
        : inner.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    },
    tokenId: (token) => inner.token_to_id(token),
  };
}

/** One more than the largest id. */
function vocabSizeOf({ model, added_tokens: added }: z.infer<typeof tokenizerSchema>): number {
  const largest = Array.isArray(model.vocab)
    ? model.vocab.length - 1
    : Object.values(model.vocab).reduce((a, b) => Math.max(a, b), -1);
  return added.reduce((a, { id }) => Math.max(a, id), largest) + 1;
}
