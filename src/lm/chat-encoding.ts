/**
 * The chat part of the `Tokenizer` port: one user's message and its answer through the checkpoint's chat template.
 *
 * What is learnt: the ids of transformers' `apply_chat_template` of the whole conversation from where the prompt's ids (with the
 * generation prompt, as when the model is asked) end, up to and with the token that ends the answer (`<|im_end|>`, `</s>`). What
 * the template puts after it (ChatML's line break) is no part of it: sampling stops before. Where the two don't share their
 * beginning, because a token spans the border or the template writes its last turn otherwise than it asks for it, the rest of the
 * text, else the bare answer, is encoded by itself: a prompt's ids are always those that the model is asked with.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { ChatEncoding, Clock, Tokenizer } from '../protocol/ports.js';
import { type ChatMessage, type ChatTemplate, createChatTemplate } from './chat-template.js';
import type { TokenizerFiles } from './checkpoint.js';

const WHOLE = { generationPrompt: false } as const;
const turn = (user: string, answer: string): ChatMessage[] => [
  { role: 'user', content: user },
  { role: 'assistant', content: answer },
];

/** The token that the template puts after an answer, if it is one that nobody else can write. */
function templateEnd(chat: ChatTemplate, tokenizer: Tokenizer): number | undefined {
  const said = 'Certainly.';
  let text: string;
  try {
    text = chat.render(turn('Hello', said), WHOLE);
  } catch {
    return undefined; // it takes no such conversation
  }
  const at = text.lastIndexOf(said);
  const [first] = at < 0 ? [] : tokenizer.encode(text.slice(at + said.length).trimStart());
  const ends = first !== undefined && (chat.specialIds.has(first) || chat.stopIds.includes(first));
  return ends ? first : undefined;
}

/** Ids after the prompt's, whatever the template puts last. */
function restOf(chat: ChatTemplate, user: string, answer: string): number[] {
  const messages = turn(user, answer);
  const promptIds = chat.encode(messages.slice(0, 1));
  const wholeIds = chat.encode(messages, WHOLE);
  if (promptIds.every((id, i) => id === wholeIds[i])) return wholeIds.slice(promptIds.length);
  return chat.encodeText(messages, (said) => {
    const prompt = chat.render(said.slice(0, 1));
    const whole = chat.render(said, WHOLE);
    return whole.startsWith(prompt) ? whole.slice(prompt.length) : said[1]!.content;
  });
}

/** Undefined where the checkpoint brings no template. */
export function chatEncodingOf(
  files: TokenizerFiles,
  tokenizer: Tokenizer,
  clock: Clock,
): ChatEncoding | undefined {
  const chat = createChatTemplate(files, tokenizer, clock);
  if (chat === null) return undefined;
  const templated = templateEnd(chat, tokenizer);
  const stopIds = [...new Set([...chat.stopIds, ...(templated === undefined ? [] : [templated])])];
  const endId = templated ?? stopIds[0];
  return {
    stopIds,
    endId,
    prompt: (user) => chat.encode([{ role: 'user', content: user }]),
    answer(user, answer) {
      const rest = restOf(chat, user, answer);
      const at = rest.findIndex((id) => stopIds.includes(id));
      if (at >= 0) return rest.slice(0, at + 1);
      return endId === undefined ? rest : [...rest, endId];
    },
  };
}

const noClock: Clock = {
  now() {
    throw new SoliloquyError('config.invalid', 'the chat template asks for today, and no date is given', {
      fix: 'set world.date, such as 2026-11-24',
    });
  },
};

/**
 * The tokenizer with its chat part, made when it is first asked for: a template that can't be read harms none who has no use of
 * it. `clock`: for templates that ask for today; without one those are refused.
 */
export function withChat(tokenizer: Tokenizer, files: TokenizerFiles, clock = noClock): Tokenizer {
  let made: { readonly chat: ChatEncoding | undefined } | undefined;
  return {
    ...tokenizer,
    get chat() {
      made ??= { chat: chatEncodingOf(files, tokenizer, clock) };
      return made.chat;
    },
  };
}
