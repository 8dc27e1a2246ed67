/**
 * Keeps what people write from becoming a special token. Contents are put into a frame (a template) whose own special tokens
 * count; the same texts within a content are encoded as plain characters.
 *
 * How: in the contents each special token's text is broken by a noncharacter, so that in the framed text only the frame's own
 * are whole. Those are marked by another noncharacter, the breaks are taken out, and the text is encoded by a tokenizer whose
 * special tokens are the marked texts. Contents without any special token's text take the plain way, so that ids stay those
 * of transformers.
 */
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Tokenizer } from '../protocol/ports.js';
import type { TokenizerFiles } from './checkpoint.js';
import { tokenizerOf } from './tokenizer.js';

export interface PlainSpecials {
  /** `frame` gets the contents, perhaps broken, and returns the text around and with them. */
  encode(contents: readonly string[], frame: (contents: readonly string[]) => string): number[];
  /** Of the special tokens, `<unk>` aside. */
  readonly ids: ReadonlySet<number>;
}

/** Noncharacters: no text should hold them; one that does has them replaced. */
const BREAK = '\ufdd0';
const MARK = '\ufdd1';
const REPLACEMENT = '\ufffd';

const vocabSchema = z.union([z.record(z.string(), z.number()), z.array(z.tuple([z.string(), z.number()]))]);
const jsonSchema = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: z.number(), content: z.string(), special: z.boolean().nullish() }))
    .nullish(),
  model: z.looseObject({ vocab: vocabSchema, unk_token: z.string().nullish() }),
});
type Json = z.infer<typeof jsonSchema>;

/** The same tokenizer, whose special tokens are their marked texts; `<unk>` keeps its name, for the model needs it. */
function markedTokenizer(json: Json, specials: ReadonlySet<string>, tokenizer: Tokenizer): Tokenizer {
  const { vocab, unk_token: unknown } = json.model;
  const name = (text: string) => (specials.has(text) && text !== unknown ? MARK + text : text);
  const marked = {
    ...json,
    added_tokens: (json.added_tokens ?? []).map((one) =>
      specials.has(one.content) ? { ...one, content: MARK + one.content, normalized: false } : one,
    ),
    post_processor: null,
    model: {
      ...json.model,
      vocab: Array.isArray(vocab)
        ? vocab.map(([text, weight]) => [name(text), weight])
        : Object.fromEntries(Object.entries(vocab).map(([text, id]) => [name(text), id])),
    },
  };
  return tokenizerOf({ json: JSON.stringify(marked), config: null }, tokenizer);
}

function parse(text: string): Json {
  try {
    return jsonSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SoliloquyError(
      'tokenizer.invalid',
      `tokenizer.json can't be read: ${reasonOf(cause)}`,
      { fix: 'Is tokenizer.json whole, and of a fast tokenizer?' },
      { cause },
    );
  }
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

export function createPlainSpecials(files: TokenizerFiles, tokenizer: Tokenizer): PlainSpecials {
  const json = parse(files.json);
  const tokens = (json.added_tokens ?? []).filter((one) => one.special && one.content !== '');
  const texts = tokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
  if (texts.length === 0)
    return { ids: new Set(), encode: (contents, frame) => tokenizer.encode(frame(contents)) };
  const any = new RegExp(texts.map(literal).join('|'), 'g');
  const noncharacters = new RegExp(`[${BREAK}${MARK}]`, 'g');
  const unknownId = tokens.find(({ content }) => content === json.model.unk_token)?.id;
  const ids = new Set(tokens.map(({ id }) => id).filter((id) => id !== unknownId));
  let marked: Tokenizer | undefined;

  const broken = (content: string) =>
    content
      .replace(noncharacters, REPLACEMENT)
      // After each character, so that no shorter special token stands within the longer one.
      .replace(any, (text) => [...text].join(BREAK));
  const guarded = (framed: string) => {
    let wanted = 0;
    const text = framed.replace(any, (special) => {
      if (special !== json.model.unk_token) wanted++;
      return MARK + special;
    });
    marked ??= markedTokenizer(json, new Set(texts), tokenizer);
    const found = marked.encode(text.replaceAll(BREAK, ''));
    if (found.filter((id) => ids.has(id)).length <= wanted) return found;
    throw new SoliloquyError(
      'data.invalid',
      'a message holds a special token that can’t be written as plain text',
      { fix: 'take the special token out of the message' },
    );
  };
  return {
    ids,
    encode(contents, frame) {
      if (!contents.some((content) => content.search(any) >= 0)) return tokenizer.encode(frame(contents));
      return guarded(frame(contents.map(broken)));
    },
  };
}
