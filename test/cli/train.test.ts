import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { weightsHash } from '../../src/lm/weights.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const model = join(work, 'tiny');
const file = (name: string, ...lines: readonly unknown[]): string => {
  const path = join(work, name);
  writeFileSync(
    path,
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return path;
};
beforeAll(async () => {
  await writeTinyModel(model);
});

interface Told {
  readonly steps: number;
  readonly loss: number;
  readonly weightsHash: string;
  readonly data: { readonly rows: number; readonly tooLong: number; readonly sha256: string };
}
interface Training extends Told {
  readonly model: { readonly weightsHash: string };
  readonly config: { readonly learningRate: number; readonly beta?: number };
  readonly curve: { readonly loss: number }[];
}

const chat = {
  prompt: '<user> name three animals . <asst>',
  completion: 'sure : cat dog cow . hope this helps .',
};
const pair = { prompt: chat.prompt, chosen: 'cat dog cow .', rejected: 'bread' };

/** Trains on that data, by one worker unless told otherwise. */
const trained = (
  objective: 'sft' | 'dpo',
  data: string,
  to: string,
  ...flags: readonly string[]
): Promise<Told> =>
  soliloquyJson<Told>('train', objective, model, '--data', data, '--to', to, '--workers', '1', ...flags);
const trainingIn = (to: string) => JSON.parse(readFileSync(join(to, 'training.json'), 'utf8')) as Training;

describe('soliloquy train sft', () => {
  it('writes the trained model in Hugging Face layout and training.json, which says what it was made from', async () => {
    const data = file('chats.jsonl', chat, '', {
      ...chat,
      completion: 'sure : hen duck cow . hope this helps .',
    });
    const to = join(work, 'sft');
    const told = await trained('sft', data, to, '--epochs', '8', '--lr', '0.02', '--warmup', '0');
    const made = trainingIn(to);
    expect(made.data).toMatchObject({
      rows: 2,
      lines: 2,
      tooLong: 0,
      sha256: createHash('sha256').update(readFileSync(data)).digest('hex'),
    });
    expect(made.model.weightsHash).toBe(weightsHash((await readCheckpoint(model)).weights));
    expect(made.config).toMatchObject({ learningRate: 0.02, finalLearningRate: 0.002, epochs: 8 });
    expect(made.curve.length).toBe(told.steps);
    expect(made.curve.at(-1)!.loss).toBeLessThan(made.curve[0]!.loss - 1);
    expect(weightsHash((await readCheckpoint(to)).weights)).toBe(told.weightsHash);
  });

  it('makes the same weights with one worker and with two', async () => {
    const data = file(
      'many.jsonl',
      ...Array.from({ length: 12 }, (_, i) => ({ ...chat, completion: `${'cat '.repeat(1 + (i % 4))}.` })),
    );
    const flags = ['--epochs', '2', '--micro-batch-size', '2'];
    const by = (workers: string) =>
      trained('sft', data, join(work, `by-${workers}`), ...flags, '--workers', workers);
    const [one, two] = await Promise.all([by('1'), by('2')]);
    expect(two.weightsHash).toBe(one.weightsHash);
  });

  it('makes one row of each assistant turn, and learns nothing of what users say', async () => {
    const turn = (role: string, content: string) => ({ role, content });
    const messages = [
      turn('user', 'cat'),
      turn('assistant', 'dog'),
      turn('user', 'cow'),
      turn('assistant', 'hen'),
    ];
    const bare = (prompt: string, completion: string) => ({ prompt, completion });
    const asText = [
      bare('Instruction: cat\n\nResponse:\n', 'dog'),
      bare('Instruction: cat\n\nResponse:\ndog\n\nInstruction: cow\n\nResponse:\n', 'hen'),
    ];
    const once = (name: string, ...lines: readonly unknown[]) =>
      trained('sft', file(`${name}.jsonl`, ...lines), join(work, name), '--epochs', '1');
    const [byMessages, byText] = await Promise.all([
      once('by-messages', { messages }),
      once('by-text', ...asText),
    ]);
    expect(byMessages.data.rows).toBe(2);
    expect(byMessages.weightsHash).toBe(byText.weightsHash);
  });

  it('leaves out rows that are too long, and counts them', async () => {
    const data = file('long.jsonl', chat, { ...chat, completion: 'cat '.repeat(300) });
    const { data: told } = await trained('sft', data, join(work, 'long'), '--epochs', '1');
    expect(told).toMatchObject({ rows: 1, tooLong: 1 });
  });
});

const PACE = ['--lr', '0.01', '--warmup', '0', '--beta', '0.5'];

describe('soliloquy train dpo', () => {
  it('starts at log 2, raises the chosen answers, and takes message lists for the same pairs', async () => {
    const said = (content: string) => [{ role: 'assistant', content }];
    const often = (name: string, line: unknown) =>
      trained('dpo', file(`${name}.jsonl`, line), join(work, name), '--epochs', '6', ...PACE);
    const [plain, listed] = await Promise.all([
      often('pairs', pair),
      often('listed-pairs', { ...pair, chosen: said(pair.chosen), rejected: said(pair.rejected) }),
    ]);
    const { curve, config } = trainingIn(join(work, 'pairs'));
    expect(config.beta).toBe(0.5);
    expect(curve[0]!.loss).toBeCloseTo(Math.LN2, 6);
    expect(plain.loss).toBeLessThan(0.5);
    expect(listed.weightsHash).toBe(plain.weightsHash);
  });
});

describe('soliloquy train dpo with another loss', () => {
  /** Two steps on one pair; losses before each. */
  const losses = async (name: string, ...flags: readonly string[]) => {
    const to = join(work, name);
    await trained('dpo', file(`${name}.jsonl`, pair), to, '--epochs', '2', ...PACE, ...flags);
    const { curve, config } = trainingIn(to);
    return { all: curve.map(({ loss }) => loss), config };
  };

  it('has the values that each loss has where the policy is the reference', async () => {
    const [ipo, once, twice, even] = await Promise.all([
      losses('ipo', '--loss', 'ipo'),
      losses('nll-1', '--nll', '1'),
      losses('nll-2', '--nll', '2'),
      losses('even', '--agreement', '0.5'),
    ]);
    expect(ipo.all[0]).toBeCloseTo((0 - 1 / (2 * 0.5)) ** 2, 5);
    expect(ipo.config).toMatchObject({ beta: 0.5, loss: 'ipo', nll: 0, agreement: 1 });
    expect(once.all[0]).toBeGreaterThan(Math.LN2 + 0.1);
    expect(twice.all[0]! - Math.LN2).toBeCloseTo(2 * (once.all[0]! - Math.LN2), 5);
    // As much for the pair as for its reverse: no margin is better than none.
    expect(even.all[0]).toBeCloseTo(Math.LN2, 6);
    expect(even.all[1]).toBeGreaterThan(Math.LN2);
  });
});

describe('soliloquy train refuses', () => {
  it.each([
    ['sft', 'not JSON', [chat, '{oops'], 'bad.jsonl:2'],
    ['sft', 'a missing completion', [chat, '', { prompt: 'cat' }], 'bad.jsonl:3'],
    [
      'sft',
      'messages without an assistant',
      [{ messages: [{ role: 'user', content: 'cat' }] }],
      'bad.jsonl:1',
    ],
    ['sft', 'an unknown role', [{ messages: [{ role: 'robot', content: 'cat' }] }], 'bad.jsonl:1'],
    ['sft', 'a prompt without tokens', [{ prompt: '', completion: 'cat' }], 'bad.jsonl:1'],
    ['sft', 'an empty file', [], 'bad.jsonl'],
    [
      'dpo',
      'a pair without its rejected answer',
      [pair, { prompt: 'cat', chosen: 'dog' }],
      'bad.jsonl:2: rejected',
    ],
    [
      'dpo',
      'answers to two conversations',
      [
        {
          chosen: [
            { role: 'user', content: 'a' },
            { role: 'assistant', content: 'b' },
          ],
          rejected: [
            { role: 'user', content: 'c' },
            { role: 'assistant', content: 'd' },
          ],
        },
      ],
      'bad.jsonl:1',
    ],
  ] as const)('%s data with %s, naming the line', async (objective, _what, lines, named) => {
    mkdirSync(join(work, _what), { recursive: true });
    const to = join(work, 'refused');
    const { code, out, err } = await soliloquy(
      'train',
      objective,
      model,
      '--data',
      file(`${_what}/bad.jsonl`, ...lines),
      '--to',
      to,
    );
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(named);
    expect(existsSync(join(to, 'model.safetensors'))).toBe(false);
  });

  it('what does not fit into memory, with what would make it smaller', async () => {
    const data = file('fits.jsonl', chat, chat, chat);
    const to = join(work, 'too-large');
    const { code, err } = await soliloquy(
      ...['train', 'sft', model, '--data', data, '--to', to, '--memory', '0.1', '--workers', '2'],
    );
    expect(code).toBe(1);
    expect(err).toContain('the training takes about 0.');
    for (const way of ['--workers 1', '--micro-batch-size 4', '--memory GIB']) expect(err).toContain(way);
    expect(existsSync(join(to, 'model.safetensors'))).toBe(false);
  });

  it('a folder that holds something, unreadable data and wrong options, naming each', async () => {
    const data = file('good.jsonl', chat);
    const to = join(work, 'new');
    const cases = [
      { args: ['--data', data, '--to', model], code: 1, named: model },
      { args: ['--data', join(work, 'absent.jsonl'), '--to', to], code: 1, named: 'absent.jsonl' },
      { args: ['--data', data], code: 2, named: '--to' },
      { args: ['--data', data, '--to', to, '--lr', 'fast'], code: 2, named: '--lr' },
      { args: ['--data', data, '--to', to, '--lr', '0'], code: 2, named: '--lr' },
      { args: ['--data', data, '--to', to, '--beta', '1'], code: 2, named: '--beta' },
    ];
    const ended = await Promise.all(cases.map(({ args }) => soliloquy('train', 'sft', model, ...args)));
    ended.forEach(({ code, err }, i) => {
      expect(code).toBe(cases[i]!.code);
      expect(err).toContain(cases[i]!.named);
    });
    expect(existsSync(to)).toBe(false);
  });
});
