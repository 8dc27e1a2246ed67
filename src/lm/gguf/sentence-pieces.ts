/**
 * SentencePiece's BPE for llama.cpp (`llama`). It knows no merges: it joins any two neighbours whose text is a token, that of
 * the best score first. tokenizer.json has merges instead; they become scores where that says the same, which is checked: every
 * split of a token into two tokens is a merge, and merges of one token stand together.
 */
import { z } from 'zod';
import type { NoVocabulary, Pieces } from './pieces.js';
import { bool, type GgufValue, text } from './values.js';

const SPACE = '▁';
const replace = z.looseObject({
  type: z.literal('Replace'),
  pattern: z.object({ String: z.literal(' ') }),
  content: z.literal(SPACE),
});
const prepend = z.looseObject({ type: z.literal('Prepend'), prepend: z.literal(SPACE) });
const both = z.looseObject({ type: z.literal('Sequence'), normalizers: z.tuple([prepend, replace]) });
const metaspace = z.looseObject({
  type: z.literal('Metaspace'),
  replacement: z.literal(SPACE),
  prepend_scheme: z.enum(['first', 'never', 'always']),
  split: z.literal(false),
});

/** Whether a space is put before a text; null: something else is done to it. */
function spacePrefix({ json: { normalizer, pre_tokenizer: pre } }: Pieces): boolean | null {
  if (pre === null && both.safeParse(normalizer).success) return true;
  if (pre === null && replace.safeParse(normalizer).success) return false;
  const parsed = metaspace.safeParse(pre);
  return normalizer === null && parsed.success ? parsed.data.prepend_scheme !== 'never' : null;
}

/** Ranks of the merges that make each token: first and last. */
function ranksOf(merges: Pieces['merges']): Map<string, { readonly first: number; last: number }> {
  const ranks = new Map<string, { readonly first: number; last: number }>();
  merges.forEach(([left, right], rank) => {
    const made = ranks.get(left + right);
    if (made) made.last = rank;
    else ranks.set(left + right, { first: rank, last: rank });
  });
  return ranks;
}

/** Why scores would not join as the merges do. */
function unlike({ json, tokens, merges }: Pieces, ranks: ReturnType<typeof ranksOf>): string | null {
  const pairs = new Set(merges.map((pair) => pair.join(' ')));
  const special = new Set(json.added_tokens.map(({ content }) => content));
  const known = (piece: string) => json.model.vocab[piece] !== undefined && !special.has(piece);
  let end = -1;
  for (const { first, last } of ranks.values()) {
    if (first <= end) return 'merges of one token are apart';
    end = last;
  }
  for (const token of tokens) {
    if (!known(token) || /^<0x[0-9A-F]{2}>$/.test(token)) continue;
    const chars = [...token];
    for (let at = 1; at < chars.length; at++) {
      const sides = [chars.slice(0, at).join(''), chars.slice(at).join('')];
      if (sides.every(known) && !pairs.has(sides.join(' '))) return `"${sides.join('" + "')}" is no merge`;
    }
  }
  return null;
}

export function sentencePieceKeys(pieces: Pieces): [string, GgufValue][] | NoVocabulary {
  const prefix = spacePrefix(pieces);
  if (prefix === null) return { reason: 'its normalizer or pre-tokenizer is not that of SentencePiece' };
  if (pieces.json.model.ignore_merges) return { reason: 'its ignore_merges is unknown to SentencePiece' };
  const ranks = ranksOf(pieces.merges);
  const difference = unlike(pieces, ranks);
  if (difference !== null)
    return { reason: `its merges are not those that SentencePiece makes of scores: ${difference}` };
  // Single characters, bytes and added tokens are worse than any merge.
  const scores = pieces.tokens.map((token) => 0 - (ranks.get(token)?.first ?? pieces.merges.length));
  return [
    ['model', text('llama')],
    ['pre', text('default')],
    ['scores', { type: 'f32s', value: scores }],
    ['add_space_prefix', bool(prefix)],
  ];
}
