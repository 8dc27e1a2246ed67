import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { FORMAT } from '../../src/worlds/microworld/format.js';
import { chatFiles, randomCheckpoint } from '../support/serving.js';
import { tinyConfig, writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const root = join(import.meta.dirname, '../..');
const main = join(root, 'dist/src/cli/main.js');
const work = temporaryFolder();
const run = join(work, 'run-1');
const m3 = join(run, 'M3');
const qwen = join(work, 'qwen');
const KEY = 'secret-7f3a';

beforeAll(async () => {
  await writeTinyModel(join(run, 'models/M3'));
  const config = { ...tinyConfig('nowhere'), used: { format: FORMAT, backend: 'onnx' } };
  mkdirSync(run, { recursive: true });
  writeFileSync(join(run, 'config.json'), JSON.stringify(config));
  await writeCheckpoint(qwen, randomCheckpoint(chatFiles('chatml'), 267));
});

interface Said {
  readonly url: string;
  readonly port: number;
  readonly model: string;
  readonly chat: string;
}

/** A server as a child process; `stop` is Ctrl-C, and gives all that it wrote. */
async function serve(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [main, 'serve', ...args, '--workers', '1', '--port', '0', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let out = '';
  let err = '';
  child.stderr.on('data', (part) => (err += part));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const said = await new Promise<Said>((resolve, reject) => {
    child.stdout.on('data', (part) => {
      out += part;
      if (out.endsWith('\n')) resolve(JSON.parse(out) as Said);
    });
    child.on('close', (code) => reject(new Error(`ended with ${code}: ${err}`)));
  });
  const stop = async () => {
    child.kill('SIGINT');
    return { code: await ended, text: out + err };
  };
  return { said, stop };
}

describe('soliloquy serve', () => {
  it('serves a version of a run in its own chat format, on a port that it says, until Ctrl-C', async () => {
    const { said, stop } = await serve([m3]);
    expect(said).toMatchObject({ model: 'run-1/M3', chat: 'run' });
    expect(said.port).toBeGreaterThan(0);
    const client = new OpenAI({ baseURL: `${said.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'name three animals .' }];
    const answer = await client.chat.completions.create({
      model: said.model,
      messages,
      seed: 1,
      max_tokens: 5,
    });
    expect(answer.usage!.prompt_tokens).toBe(6);
    const { code, text } = await stop();
    expect(code).toBe(0);
    expect(text).toContain('stopping');
    await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  });

  it('takes its key from the environment, and never says it', async () => {
    const { said, stop } = await serve([qwen, '--name', 'q', '--api-key-env', 'SERVE_KEY'], {
      SERVE_KEY: KEY,
    });
    expect(said).toMatchObject({ model: 'q', chat: 'template' });
    const list = (apiKey: string) =>
      new OpenAI({ baseURL: `${said.url}/v1`, apiKey, maxRetries: 0 }).models.list();
    expect((await list(KEY)).data[0]!.id).toBe('q');
    await expect(list('other')).rejects.toMatchObject({ status: 401 });
    const { code, text } = await stop();
    expect(code).toBe(0);
    expect(text).not.toContain(KEY);
  });

  it.each([
    [['serve', m3, '--host', '0.0.0.0'], 2, '--api-key-env'],
    [['serve', m3, '--api-key-env', 'SERVE_NO_SUCH'], 2, 'SERVE_NO_SUCH'],
    [['serve', m3, '--port', '70000'], 2, '--port'],
    [['serve', join(run, 'M9')], 1, 'M3'],
  ] as const)('refuses %j with exit code %i and names %s', async (args, wanted, named) => {
    const { code, out, err } = await soliloquy(...args);
    expect({ code, out }).toEqual({ code: wanted, out: '' });
    expect(err).toContain(named);
  });
});

describe('soliloquy generate --chat', () => {
  const generate = (...args: readonly string[]) =>
    soliloquyJson<{ ids: number[]; text: string }>('generate', ...args, '--greedy', '--max-new', '8');

  it('puts the run’s format around the prompt', async () => {
    const [chat, plain] = await Promise.all([
      generate(m3, '--chat', '--prompt', 'name three animals .'),
      generate(m3, '--prompt', '<user> name three animals . <asst>'),
    ]);
    // The chat also stops at the run's control words.
    expect(plain.ids.slice(0, chat.ids.length)).toEqual(chat.ids);
  });

  it('puts the checkpoint’s template around it, with a system text', async () => {
    const text =
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n';
    const [chat, plain] = await Promise.all([
      generate(qwen, '--chat', '--system', 'Be brief.', '--prompt', 'hello'),
      generate(qwen, '--prompt', text),
    ]);
    expect(chat).toEqual(plain);
  });

  it('--system without --chat is wrong usage', async () => {
    const { code, err } = await soliloquy('generate', qwen, '--prompt', 'x', '--system', 'y');
    expect(code).toBe(2);
    expect(err).toContain('--chat');
  });
});

describe('a checkpoint', () => {
  it('that is written again keeps its chat template', async () => {
    const { tokenizer } = await readCheckpoint(qwen);
    expect(tokenizer).toEqual(chatFiles('chatml'));
  });
});
