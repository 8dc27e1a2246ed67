/**
 * Byte-level BPE for llama.cpp (`gpt2`): tokens and merges as they stand, and the pre-tokenizer by the name under which
 * llama.cpp has the same regular expression built in. One that it doesn't have can't be said.
 */
import { z } from 'zod';
import type { NoVocabulary, Pieces } from './pieces.js';
import { type GgufValue, text } from './values.js';

const CONTRACTION = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`;
const REST = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** Regular expression → name, and whether a whole word that is a token skips the merges. */
const SPLITS: ReadonlyMap<string, { readonly name: string; readonly ignoreMerges: boolean }> = new Map([
  [String.raw`${CONTRACTION}\p{N}{1,3}${REST}`, { name: 'llama-bpe', ignoreMerges: true }],
  [String.raw`${CONTRACTION}\p{N}${REST}`, { name: 'qwen2', ignoreMerges: false }],
]);

const byteLevel = z.looseObject({
  type: z.literal('ByteLevel'),
  add_prefix_space: z.literal(false),
  use_regex: z.boolean().default(true),
});
const split = z.looseObject({
  type: z.literal('Split'),
  pattern: z.object({ Regex: z.string() }),
  behavior: z.literal('Isolated'),
  invert: z.literal(false).default(false),
});
const digits = z.looseObject({ type: z.literal('Digits'), individual_digits: z.literal(true) });
const sequence = <A extends z.ZodType, B extends z.ZodType>(first: A, second: B) =>
  z.looseObject({ type: z.literal('Sequence'), pretokenizers: z.tuple([first, second]) });

const afterSplit = sequence(split, byteLevel.extend({ use_regex: z.literal(false) }));
const afterDigits = sequence(digits, byteLevel.extend({ use_regex: z.literal(true).default(true) }));
const alone = byteLevel.extend({ use_regex: z.literal(true).default(true) });

function preName(preTokenizer: unknown): { readonly name: string; readonly ignoreMerges: boolean } | null {
  if (alone.safeParse(preTokenizer).success) return { name: 'gpt-2', ignoreMerges: false };
  if (afterDigits.safeParse(preTokenizer).success) return { name: 'smollm', ignoreMerges: false };
  const parsed = afterSplit.safeParse(preTokenizer);
  if (!parsed.success) return null;
  return SPLITS.get(parsed.data.pretokenizers[0].pattern.Regex) ?? null;
}

/** The 256 characters that stand for bytes: a printable one for itself, the others from U+0100 on (GPT-2's bytes_to_unicode). */
const BYTES: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : 0x100 + others++),
  );
})();

/** llama.cpp normalises nothing here; NFC is let pass, as its own converter does: it changes only texts that aren't NFC. */
export function bytePairKeys({ json, merges }: Pieces): [string, GgufValue][] | NoVocabulary {
  if (json.normalizer !== null && json.normalizer.type !== 'NFC')
    return { reason: `its normalizer ${json.normalizer.type} is unknown to llama.cpp` };
  // Ours drops it before the merges, llama.cpp after them.
  const lacking = BYTES.filter((char) => json.model.vocab[char] === undefined);
  if (lacking.length > 0) return { reason: `it has no token for ${lacking.length} of the 256 bytes` };
  const pre = preName(json.pre_tokenizer);
  if (pre === null) return { reason: 'its pre-tokenizer is none that llama.cpp has by name' };
  if (pre.ignoreMerges !== (json.model.ignore_merges ?? false))
    return { reason: `its ignore_merges is not that of llama.cpp’s ${pre.name}` };
  return [
    ['model', text('gpt2')],
    ['pre', text(pre.name)],
    ['merges', { type: 'strings', value: merges.map((pair) => pair.join(' ')) }],
  ];
}
