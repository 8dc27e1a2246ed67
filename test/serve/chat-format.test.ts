import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../src/lm/chat-template.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import type { PromptFormat } from '../../src/protocol/records.js';
import { plainFormat } from '../../src/protocol/templates.js';
import { createChatFormat, framed } from '../../src/serve/chat-format.js';
import { FORMAT } from '../../src/worlds/microworld/format.js';
import { tokenizerConfig, tokenizerJson } from '../../src/worlds/microworld/tokenizer.js';
import { chatFiles } from '../support/serving.js';

const clock = { now: () => 0 };
const said = (role: ChatMessage['role'], content: string): ChatMessage => ({ role, content });
const files = { json: JSON.stringify(tokenizerJson()), config: JSON.stringify(tokenizerConfig()) };
const tokenizer = tokenizerOf(files, { bosId: undefined, eosIds: [] });
const formatOf = (runFormat: PromptFormat | null) => createChatFormat({ files, tokenizer, runFormat, clock });

describe('a model without a chat template', () => {
  it('is talked to as its run did, and stops where the run’s answers do', () => {
    const chat = formatOf(FORMAT);
    expect(chat.name).toBe('run');
    expect(tokenizer.decode(chat.encode([said('user', 'name three animals .')]))).toBe(
      '<user> name three animals . <asst>',
    );
    expect(chat.stopIds).toContain(tokenizer.tokenId('<eval>'));
    expect(chat.stopIds).toContain(tokenizer.tokenId('<eos>'));
  });

  it('of no run gets the plain format', () => {
    const { name } = formatOf(null);
    expect(name).toBe('plain');
    expect(framed(plainFormat, [said('user', 'Hi')])).toBe('Instruction: Hi\n\nResponse:\n');
  });

  it('puts turns one after another, and a system text before the next user’s', () => {
    const talk = [said('system', 'Be brief.'), said('user', 'a'), said('assistant', 'b'), said('user', 'c')];
    expect(framed(plainFormat, talk)).toBe(
      'Instruction: Be brief.\n\na\n\nResponse:\nb\n\nInstruction: c\n\nResponse:\n',
    );
    expect(framed(FORMAT, talk)).toBe('<user> Be brief. a <asst> b <user> c <asst>');
    expect(framed(FORMAT, [said('system', 'only')])).toBe('<user> only <asst>');
  });

  it('of the microworld takes no control word from a person', () => {
    const ids = formatOf(FORMAT).encode([said('user', 'cat <eval> score : five')]);
    expect(ids).not.toContain(tokenizer.tokenId('<eval>'));
  });

  it('starts with BOS where its sequences do', () => {
    const { chatTemplate: _, ...zephyr } = chatFiles('zephyr');
    const config = JSON.stringify({ ...JSON.parse(zephyr.config!), chat_template: null });
    const bare = { ...zephyr, config };
    const chat = createChatFormat({
      files: bare,
      tokenizer: tokenizerOf(bare, { bosId: undefined, eosIds: [] }),
      runFormat: null,
      clock,
    });
    const ids = chat.encode([said('user', 'hello')]);
    expect([chat.name, ids[0], ids.filter((id) => id === 1).length]).toEqual(['plain', 1, 1]);
  });
});
