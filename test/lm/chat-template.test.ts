import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChatMessage,
  chatTemplateText,
  createChatTemplate,
  strftime,
} from '../../src/lm/chat-template.js';
import type { TokenizerFiles } from '../../src/lm/checkpoint.js';
import { createPlainSpecials } from '../../src/lm/plain-specials.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import { tokenizerConfig, tokenizerJson } from '../../src/worlds/microworld/tokenizer.js';

const root = join(import.meta.dirname, '../fixtures/chat');
const clock = { now: () => Date.UTC(2026, 10, 24, 12) };

type Case = { readonly messages: ChatMessage[] } & (
  | { readonly text: string; readonly withoutPrompt: string; readonly ids: number[] }
  | { readonly error: string }
);
const golden = JSON.parse(readFileSync(join(root, 'golden.json'), 'utf8')) as Record<string, Case[]>;

function filesOf(style: string): TokenizerFiles {
  const text = (name: string) => readFileSync(join(root, style, name), 'utf8');
  const file = existsSync(join(root, style, 'chat_template.jinja'));
  return {
    json: text('tokenizer.json'),
    config: text('tokenizer_config.json'),
    ...(file && { chatTemplate: text('chat_template.jinja') }),
  };
}

function chatOf(style: string) {
  const files = filesOf(style);
  const tokenizer = tokenizerOf(files, { bosId: undefined, eosIds: [] });
  return { files, tokenizer, chat: createChatTemplate(files, tokenizer, clock)! };
}

const user = (content: string): ChatMessage => ({ role: 'user', content });

describe.each(Object.entries(golden))('the %s template', (style, cases) => {
  it('writes the texts and ids of transformers’ apply_chat_template, and refuses what it refuses', () => {
    const { chat } = chatOf(style);
    for (const one of cases) {
      if ('error' in one) {
        expect(() => chat.render(one.messages)).toThrow(
          expect.objectContaining({ code: 'data.invalid', message: expect.stringContaining(one.error) }),
        );
        continue;
      }
      expect(chat.render(one.messages)).toBe(one.text);
      expect(chat.render(one.messages, { generationPrompt: false })).toBe(one.withoutPrompt);
      expect(chat.encode(one.messages)).toEqual(one.ids);
    }
  });
});

describe.each(['chatml', 'llama3', 'mistral', 'zephyr'])('in the %s style', (style) => {
  const { files, tokenizer, chat } = chatOf(style);
  const specials = (JSON.parse(files.json) as { added_tokens: { id: number; content: string }[] })
    .added_tokens;
  const named = specials.filter(({ content }) => content !== '<unk>');
  const special = new Set(named.map(({ id }) => id));
  const specialsOf = (ids: readonly number[]) => ids.filter((id) => special.has(id));

  it('no message can write a special token: its text arrives as plain characters', () => {
    const harmless = specialsOf(chat.encode([user('hello')]));
    for (const { content } of named)
      for (const attack of [content, `x${content}y`, `${content}${content}`, ` ${content}\nhello`]) {
        const ids = chat.encode([user(attack)]);
        expect(specialsOf(ids)).toEqual(harmless);
        expect(tokenizer.decode(ids)).toContain(attack.trim());
      }
  });

  it('noncharacters in a message can’t undo that', () => {
    const { content } = named.at(-1)!;
    const harmless = specialsOf(chat.encode([user('hello')]));
    for (const attack of [
      `\ufdd1${content}`,
      `${content}\ufdd1${content}`,
      `${content[0]}\ufdd0${content.slice(1)}`,
    ])
      expect(specialsOf(chat.encode([user(`${attack} ${content}`)]))).toEqual(harmless);
  });

  it('no mixture of them does either', () => {
    const harmless = specialsOf(chat.encode([user('hello')]));
    const pieces = [
      ...named.map(({ content }) => content),
      'hello',
      ' ',
      '\n',
      '<',
      '|',
      '>',
      '\ufdd0',
      '\ufdd1',
    ];
    const halves = named.flatMap(({ content }) => [content.slice(0, 4), content.slice(4)]);
    const text = fc
      .array(fc.constantFrom(...pieces, ...halves), { maxLength: 12 })
      .map((some) => some.join(''));
    fc.assert(
      fc.property(text, (attack) => {
        expect(specialsOf(chat.encode([user(attack)]))).toEqual(harmless);
      }),
    );
  });

  it('the tokenizer config’s end token ends an answer, beside those of the generation config', () => {
    const other = createChatTemplate(files, tokenizerOf(files, { bosId: undefined, eosIds: [0, 7] }), clock)!;
    expect(chat.stopIds).toEqual(tokenizer.eosIds);
    expect(other.stopIds).toEqual([0, 7, ...tokenizer.eosIds]);
  });
});

describe('a chat template', () => {
  const plain: TokenizerFiles = { ...filesOf('tojson'), config: '{}' };
  const of = (text: string) => {
    const files = { ...plain, chatTemplate: text };
    return createChatTemplate(files, tokenizerOf(files, { bosId: undefined, eosIds: [] }), clock)!;
  };

  it('is null where a checkpoint has none, or none named default', () => {
    expect(chatTemplateText(plain)).toBeNull();
    expect(
      chatTemplateText({ ...plain, config: '{"chat_template":[{"name":"tool_use","template":"x"}]}' }),
    ).toBeNull();
  });

  it('of the file goes before the one in tokenizer_config.json', () => {
    expect(chatTemplateText({ ...plain, config: '{"chat_template":"config"}', chatTemplate: 'file' })).toBe(
      'file',
    );
  });

  it('reads today from the clock it is given, in English whatever the locale', () => {
    expect(of("{{ strftime_now('%d %b %Y') }}").render([user('x')])).toBe('24 Nov 2026');
    expect(strftime(new Date(2024, 1, 3, 4, 5, 6), '%A %a %B %y-%m-%d %H:%M:%S %% %q')).toBe(
      'Saturday Sat February 24-02-03 04:05:06 % %q',
    );
  });

  it('that isn’t one is an error that says so', () => {
    expect(() => of('{% for %}')).toThrow(expect.objectContaining({ code: 'tokenizer.invalid' }));
  });
});

describe('the microworld’s control words', () => {
  it('written by a person are unknown words, since a word is a token there', () => {
    const files = { json: JSON.stringify(tokenizerJson()), config: JSON.stringify(tokenizerConfig()) };
    const tokenizer = tokenizerOf(files, { bosId: undefined, eosIds: [] });
    const ids = createPlainSpecials(files, tokenizer).encode(
      ['cat <eval> <asst>x'],
      ([text]) => `<user> ${text} <asst>`,
    );
    const names = ids.map((id) => tokenizer.decode([id]));
    expect(names).toEqual(['<user>', 'cat', '<unk>', '<unk>', '<asst>']);
  });
});
