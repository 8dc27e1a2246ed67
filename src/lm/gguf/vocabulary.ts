/**
 * A tokenizer.json → llama.cpp's `tokenizer.ggml.*` keys. Two kinds are known there and here: byte-level BPE (`gpt2`, by the name
 * of its pre-tokenizer) and SentencePiece's BPE (`llama`, by scores). Any other is left out with the reason: a file that makes
 * other tokens than ours would be worse than one that makes none (`no_vocab`).
 */
import { chatTemplateText } from '../chat-template.js';
import type { Checkpoint } from '../checkpoint.js';
import { tokenizerOf } from '../tokenizer.js';
import { bytePairKeys } from './byte-pairs.js';
import { isReason, type NoVocabulary, type Pieces, piecesOf } from './pieces.js';
import { sentencePieceKeys } from './sentence-pieces.js';
import { bool, type GgufValue, text, u32 } from './values.js';

/** llama_token_type */
const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

function typesOf({ json, tokens }: Pieces): number[] {
  const added = new Map(json.added_tokens.map((one) => [one.id, one.special === true]));
  const bytes = json.model.byte_fallback === true;
  return tokens.map((token, id) => {
    if (bytes && token === json.model.unk_token) return TYPE.unknown;
    const special = added.get(id);
    if (special !== undefined) return special ? TYPE.control : TYPE.userDefined;
    if (json.model.vocab[token] === undefined) return TYPE.unused;
    return bytes && /^<0x[0-9A-F]{2}>$/.test(token) ? TYPE.byte : TYPE.normal;
  });
}

function modelKeys(pieces: Pieces): [string, GgufValue][] | NoVocabulary {
  const { type, continuing_subword_prefix: prefix, end_of_word_suffix: suffix } = pieces.json.model;
  const kind = type ?? (pieces.merges.length > 0 ? 'BPE' : 'unnamed');
  if (kind !== 'BPE') return { reason: `llama.cpp has no ${kind} tokenizer` };
  if (prefix || suffix) return { reason: 'its pieces are marked inside or at the end of words' };
  return pieces.json.model.byte_fallback === true ? sentencePieceKeys(pieces) : bytePairKeys(pieces);
}

/** Which tokens begin and end, as the whole checkpoint says. */
function specialKeys({ tokenizer, bosId, eosIds }: Checkpoint, { json }: Pieces): [string, GgufValue][] {
  const known = tokenizerOf(tokenizer!, { bosId, eosIds });
  const [eos, eot] = known.eosIds;
  const unk = json.model.unk_token == null ? undefined : known.tokenId(json.model.unk_token);
  const id = (name: string, value: number | undefined): [string, GgufValue][] =>
    value === undefined ? [] : [[`${name}_token_id`, u32(value)]];
  return [
    ...id('bos', known.bosId),
    ...id('eos', eos),
    ...id('eot', eot),
    ...id('unknown', unk),
    ['add_bos_token', bool(known.bosId !== undefined && known.encodePrompt('')[0] === known.bosId)],
    ['add_eos_token', bool(false)],
  ];
}

export interface Vocabulary {
  readonly keys: readonly (readonly [string, GgufValue])[];
  /** Null: llama.cpp makes the tokens that we make. */
  readonly reason: string | null;
}

const none = (reason: string): Vocabulary => ({
  keys: [['tokenizer.ggml.model', text('no_vocab')]],
  reason,
});

export function vocabularyOf(checkpoint: Checkpoint): Vocabulary {
  const { tokenizer, weights } = checkpoint;
  if (tokenizer === null) return none('the model has no tokenizer');
  const pieces = piecesOf(tokenizer, weights.architecture.vocabSize);
  if (isReason(pieces)) return none(pieces.reason);
  const model = modelKeys(pieces);
  if (isReason(model)) return none(model.reason);
  const template = chatTemplateText(tokenizer);
  const own: readonly [string, GgufValue][] = [
    ...model,
    ['tokens', { type: 'strings', value: pieces.tokens }],
    ['token_type', { type: 'i32s', value: typesOf(pieces) }],
    ...specialKeys(checkpoint, pieces),
  ];
  return {
    keys: [
      ...own.map(([key, value]) => [`tokenizer.ggml.${key}`, value] as const),
      ...(template === null ? [] : ([['tokenizer.chat_template', text(template)]] as const)),
    ],
    reason: null,
  };
}
