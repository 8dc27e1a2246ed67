/**
 * How a conversation becomes ids: by the checkpoint's own template; else by the prompt format of the run that made it; else
 * by the plain format (`Instruction: … Response:`). The latter two know one-turn chats: turns are put one after another, and
 * a system text before the next user's.
 */

import { type ChatMessage, createChatTemplate } from '../lm/chat-template.js';
import type { TokenizerFiles } from '../lm/checkpoint.js';
import { createPlainSpecials } from '../lm/plain-specials.js';
import type { Clock, Tokenizer } from '../protocol/ports.js';
import type { PromptFormat } from '../protocol/records.js';
import { plainFormat } from '../protocol/templates.js';
import { chatPrompt } from '../stages/templates.js';

export interface ChatFormat {
  readonly name: 'template' | 'run' | 'plain';
  /** Up to where the assistant's answer begins. */
  encode(messages: readonly ChatMessage[]): number[];
  readonly stopIds: readonly number[];
}

export interface ChatSource {
  /** Null: the checkpoint has no tokenizer. */
  readonly files: TokenizerFiles | null;
  readonly tokenizer: Tokenizer;
  /** What the model's run was made with. */
  readonly runFormat: PromptFormat | null;
  readonly clock: Clock;
}

/** All turns in a format that knows only one. */
export function framed(format: PromptFormat, messages: readonly ChatMessage[]): string {
  const between = format.chat.includes('\n') ? '\n\n' : ' ';
  const turns: string[] = [];
  let system = '';
  for (const { role, content } of messages) {
    if (role === 'system') system += content + between;
    else if (role === 'assistant') turns.push(content);
    else {
      turns.push(chatPrompt(format, system + content));
      system = '';
    }
  }
  if (system !== '') turns.push(chatPrompt(format, system.slice(0, -between.length)));
  return turns.reduce((text, turn, i) => {
    // An answer follows its prompt directly where the format ends in white space.
    const joint = i === 0 || /\n$/.test(text) ? '' : between;
    return text + joint + turn;
  }, '');
}

export function createChatFormat({ files, tokenizer, runFormat, clock }: ChatSource): ChatFormat {
  const template = files === null ? null : createChatTemplate(files, tokenizer, clock);
  if (template !== null) return { name: 'template', ...template };
  const format = runFormat ?? plainFormat;
  const specials = files === null ? null : createPlainSpecials(files, tokenizer);
  const stops = format.stop.response.flatMap((text) => tokenizer.tokenId(text) ?? []);
  return {
    name: runFormat === null ? 'plain' : 'run',
    encode(messages) {
      const frame = (contents: readonly string[]) =>
        framed(
          format,
          messages.map(({ role }, i) => ({ role, content: contents[i]! })),
        );
      const contents = messages.map(({ content }) => content);
      const ids = specials?.encode(contents, frame) ?? tokenizer.encode(frame(contents));
      const start = tokenizer.encodePrompt('');
      return start[0] !== undefined && ids[0] !== start[0] ? [start[0], ...ids] : ids;
    },
    stopIds: [...new Set([...tokenizer.eosIds, ...stops])],
  };
}
