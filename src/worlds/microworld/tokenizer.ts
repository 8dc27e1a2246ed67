/**
 * The tokenizer of the microworld as a Hugging Face `tokenizer.json`: whole words, split at white space.
 *
 * The JavaScript library knows no WordLevel model, so this is a WordPiece model whose words are never continued: no piece
 * starts with `##`, hence a word is one token or `<unk>`. `tokenizerConfig` must lie beside it: both libraries else tidy
 * ` .` to `.` when decoding.
 */
import { SPECIALS, TOKENS } from './vocabulary.js';

const CONTINUATION = '##';

export const tokenizerJson = () => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: SPECIALS.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: CONTINUATION, cleanup: false },
  model: {
    type: 'WordPiece',
    unk_token: '<unk>',
    continuing_subword_prefix: CONTINUATION,
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
  },
});

export const tokenizerConfig = () => ({
  tokenizer_class: 'PreTrainedTokenizerFast',
  clean_up_tokenization_spaces: false,
  eos_token: '<eos>',
  pad_token: '<pad>',
  unk_token: '<unk>',
  model_max_length: 256,
});
