import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chatEncodingOf, withChat } from '../../src/lm/chat-encoding.js';
import type { TokenizerFiles } from '../../src/lm/checkpoint.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';

const root = join(import.meta.dirname, '../fixtures/chat');
const clock = { now: () => Date.UTC(2026, 10, 24, 12) };

interface Turn {
  readonly user: string;
  readonly answer: string;
  /** transformers' apply_chat_template of both messages. */
  readonly ids: number[];
}
const golden = JSON.parse(readFileSync(join(root, 'golden-turns.json'), 'utf8')) as Record<string, Turn[]>;

function filesOf(style: string): TokenizerFiles {
  const text = (name: string) => readFileSync(join(root, style, name), 'utf8');
  const file = existsSync(join(root, style, 'chat_template.jinja'));
  return {
    json: text('tokenizer.json'),
    config: text('tokenizer_config.json'),
    ...(file && { chatTemplate: text('chat_template.jinja') }),
  };
}
function chatOf(style: string, template?: string) {
  const found = filesOf(style);
  const files = template === undefined ? found : { ...found, chatTemplate: template };
  const tokenizer = tokenizerOf(files, { bosId: undefined, eosIds: [] });
  return { tokenizer, chat: chatEncodingOf(files, tokenizer, clock)! };
}

/** What ends an answer, and what the template puts after that. */
const ENDS: Readonly<Record<string, readonly [end: string, after: string]>> = {
  chatml: ['<|im_end|>', '\n'],
  llama2: ['</s>', ''],
  llama3: ['<|eot_id|>', ''],
  mistral: ['</s>', ''],
  zephyr: ['</s>', '\n'],
  gemma: ['<end_of_turn>', '\n'],
  phi3: ['<|end|>', '\n<|endoftext|>'],
  qwen3: ['<|im_end|>', '\n'],
};

describe.each(Object.entries(golden))('an answer in the %s style', (style, turns) => {
  const { tokenizer, chat } = chatOf(style);
  const [end, after] = ENDS[style]!;

  it('is learnt with the ids of transformers’ apply_chat_template, up to and with the token that ends it', () => {
    for (const { user, answer, ids } of turns) {
      const prompt = chat.prompt(user);
      const learnt = [...prompt, ...chat.answer(user, answer)];
      expect(learnt).toEqual(ids.slice(0, learnt.length));
      expect(tokenizer.decode(learnt.slice(-1))).toBe(end);
      expect(tokenizer.decode(ids.slice(learnt.length)).trim()).toBe(after.trim());
    }
  });

  it('ends where sampling stops', () => {
    expect(tokenizer.decode([chat.endId!])).toBe(end);
    expect(chat.stopIds).toContain(chat.endId);
    expect(chat.stopIds).toEqual(expect.arrayContaining([...tokenizer.eosIds]));
  });

  it('that holds the end token’s text learns it as characters, and ends after it', () => {
    const ids = chat.answer('hello', `one ${end} two`);
    expect(ids.filter((id) => id === chat.endId)).toHaveLength(1);
    expect(ids.at(-1)).toBe(chat.endId);
    expect(tokenizer.decode(ids)).toContain(`one ${end} two`);
  });
});

describe('a template that asks otherwise than it writes', () => {
  it('of a text that does not begin with the prompt: the bare answer stands after the prompt as asked', () => {
    const { tokenizer, chat } = chatOf(
      'chatml',
      '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}',
    );
    expect(tokenizer.decode(chat.prompt('hello')).endsWith('assistant\n<think>\n')).toBe(true);
    expect(tokenizer.decode(chat.answer('hello', 'well <|im_end|>'))).toBe('well <|im_end|><|im_end|>');
    expect(chat.answer('hello', 'well <|im_end|>').filter((id) => id === chat.endId)).toHaveLength(1);
  });

  it('where a token spans the border, the rest of the text is encoded by itself', () => {
    const { tokenizer, chat } = chatOf(
      'chatml',
      "{% for m in messages %}{{ '<|im_start|>he' if m.role == 'assistant' else m.content }}{{ m.content + '<|im_end|>' if m.role == 'assistant' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>he{% endif %}",
    );
    const he = tokenizer.tokenId('he')!;
    expect(chat.prompt('x').at(-1)).toBe(he);
    expect(tokenizer.tokenId('hello')).toBeDefined();
    expect(chat.answer('x', 'llo').map((id) => tokenizer.decode([id]))).toEqual(['ll', 'o', '<|im_end|>']);
  });

  it('without an end token of its own, the model’s ends the answer', () => {
    const { tokenizer, chat } = chatOf(
      'chatml',
      '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}',
    );
    expect(chat.endId).toBe(tokenizer.eosIds[0]);
    expect(chat.answer('hello', 'well').at(-1)).toBe(tokenizer.eosIds[0]);
  });

  it('for today without a date is refused with what to set', () => {
    const files = { ...filesOf('chatml'), chatTemplate: "{{ strftime_now('%Y') }}{{ messages[0].content }}" };
    const { chat } = withChat(tokenizerOf(files, { bosId: undefined, eosIds: [] }), files);
    expect(() => chat!.prompt('hello')).toThrow(/world\.date|date/);
  });
});
