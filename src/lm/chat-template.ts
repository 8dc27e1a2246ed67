/**
 * A checkpoint's own chat template: messages → text as transformers' `apply_chat_template` writes it, then → ids. The text
 * brings its special tokens itself, so none is added a second time.
 *
 * Invariant: a special token in the ids was written by the template. What a message holds of special tokens' texts is encoded
 * as plain characters (src/lm/plain-specials.ts); transformers would take it for the token.
 *
 * The template runs within bounds (src/lm/template-runtime.ts).
 *
 * Known differences of the library: a boolean that a template prints is `true`, in Python `True`; the length of a text counts
 * UTF-16 units, in Python code points.
 */
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Clock, Tokenizer } from '../protocol/ports.js';
import type { TokenizerFiles } from './checkpoint.js';
import { heedStripArguments, stripFunctions } from './jinja-strip.js';
import { createPlainSpecials, type PlainSpecials } from './plain-specials.js';
import { range, runTemplate } from './template-runtime.js';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface RenderOptions {
  /** Ends where the assistant's answer begins. Default: yes. */
  readonly generationPrompt?: boolean;
}

export interface ChatTemplate {
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
  /** Ids of a conversation, by default up to where the assistant's answer begins. */
  encode(messages: readonly ChatMessage[], options?: RenderOptions): number[];
  /** As `encode`, of whatever text is made of these messages. */
  encodeText(messages: readonly ChatMessage[], text: (messages: readonly ChatMessage[]) => string): number[];
  /** Ids that only the template can write. */
  readonly specialIds: ReadonlySet<number>;
  /** What ends an answer: the generation config's end tokens, and the tokenizer config's. */
  readonly stopIds: readonly number[];
}

const token = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
  bos_token: token,
  eos_token: token,
  unk_token: token,
  pad_token: token,
});
type Config = z.infer<typeof configSchema>;

function configOf({ config }: TokenizerFiles): Config {
  try {
    return configSchema.parse(JSON.parse(config ?? '{}'));
  } catch (cause) {
    throw new SoliloquyError(
      'tokenizer.invalid',
      `tokenizer_config.json can’t be read: ${reasonOf(cause)}`,
      { fix: 'The file is damaged: copy or download it again.' },
      { cause },
    );
  }
}

/** The template's text: chat_template.jinja, else tokenizer_config.json's, of several the one named `default`. */
export function chatTemplateText(files: TokenizerFiles): string | null {
  if (files.chatTemplate != null) return files.chatTemplate;
  const { chat_template: said } = configOf(files);
  if (said == null || typeof said === 'string') return said ?? null;
  return said.find(({ name }) => name === 'default')?.template ?? null;
}

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** Python's strftime in English and local time, as far as templates use it. */
export function strftime(at: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const written: Readonly<Record<string, string>> = {
    Y: String(at.getFullYear()),
    y: two(at.getFullYear() % 100),
    m: two(at.getMonth() + 1),
    d: two(at.getDate()),
    B: MONTHS[at.getMonth()]!,
    b: MONTHS[at.getMonth()]!.slice(0, 3),
    A: DAYS[at.getDay()]!,
    a: DAYS[at.getDay()]!.slice(0, 3),
    H: two(at.getHours()),
    M: two(at.getMinutes()),
    S: two(at.getSeconds()),
    '%': '%',
  };
  return format.replace(/%(.)/g, (whole, letter: string) => written[letter] ?? whole);
}

function compile(text: string): Template {
  try {
    const template = new Template(text);
    heedStripArguments(template.parsed);
    return template;
  } catch (cause) {
    throw new SoliloquyError(
      'tokenizer.invalid',
      `the chat template can't be read: ${reasonOf(cause)}`,
      { fix: 'Mend chat_template.jinja, or the chat_template of tokenizer_config.json.' },
      { cause },
    );
  }
}

const textOf = (value: z.infer<typeof token>): string | undefined =>
  typeof value === 'string' ? value : value?.content;

/** bos_token and so on, as far as they are known. */
const tokenTexts = ({ bos_token, eos_token, unk_token, pad_token }: Config): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ bos_token, eos_token, unk_token, pad_token }).flatMap(([name, value]) => {
      const text = textOf(value);
      return text === undefined ? [] : [[name, text]];
    }),
  );

type Render = (messages: readonly ChatMessage[], generationPrompt: boolean) => string;

/** The names a template finds; the library's own set reads the machine's clock and locale. */
const globalsOf = (clock: Clock): Readonly<Record<string, unknown>> => ({
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  ...stripFunctions,
  raise_exception: (message: string) => {
    throw new Error(message);
  },
  strftime_now: (format: string) => strftime(new Date(clock.now()), format),
});

function renderOf(text: string, config: Config, clock: Clock): Render {
  const template = compile(text);
  const names = { ...globalsOf(clock), ...tokenTexts(config), tools: null, documents: null };
  return (messages, generationPrompt) => {
    try {
      return runTemplate(template, { ...names, messages, add_generation_prompt: generationPrompt });
    } catch (cause) {
      const reason = reasonOf(cause);
      throw new SoliloquyError(
        'data.invalid',
        `the chat template refuses these messages: ${reason}`,
        { reason, fix: 'Does the template allow these roles in this order? Else mend it.' },
        { cause },
      );
    }
  };
}

/** Null where the checkpoint brings no template. */
export function createChatTemplate(
  files: TokenizerFiles,
  tokenizer: Tokenizer,
  clock: Clock,
): ChatTemplate | null {
  const text = chatTemplateText(files);
  if (text === null) return null;
  const config = configOf(files);
  const render = renderOf(text, config, clock);
  const specials: PlainSpecials = createPlainSpecials(files, tokenizer);
  const eos = textOf(config.eos_token);
  const eosId = eos === undefined ? undefined : tokenizer.tokenId(eos);
  const encodeText: ChatTemplate['encodeText'] = (messages, text) =>
    specials.encode(
      messages.map(({ content }) => content),
      (contents) => text(messages.map(({ role }, i) => ({ role, content: contents[i]! }))),
    );
  return {
    render: (messages, { generationPrompt = true } = {}) => render(messages, generationPrompt),
    encode: (messages, { generationPrompt = true } = {}) =>
      encodeText(messages, (said) => render(said, generationPrompt)),
    encodeText,
    specialIds: specials.ids,
    stopIds: [...new Set([...tokenizer.eosIds, ...(eosId === undefined ? [] : [eosId])])],
  };
}
