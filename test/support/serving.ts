/**
 * Real servers on ports that are free, over a small random model on real worker threads; and the official client.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import type { Checkpoint, TokenizerFiles } from '../../src/lm/checkpoint.js';
import { initialise } from '../../src/lm/initialise.js';
import { createLanguageModel, type SharedModel } from '../../src/pool/language-model.js';
import { versionId } from '../../src/protocol/ids.js';
import type { SampleRow } from '../../src/protocol/lm.js';
import { createChatFormat } from '../../src/serve/chat-format.js';
import type { ServeOptions } from '../../src/serve/options.js';
import { type RunningServer, startServer } from '../../src/serve/server.js';
import { tinyLlama } from './architecture.js';

const chat = join(import.meta.dirname, '../fixtures/chat');

export const VERSION = versionId('model');
export const NAME = 'team/tiny';

/** Files of a style of test/fixtures/chat. */
export function chatFiles(style: string): TokenizerFiles {
  const text = (name: string) => readFileSync(join(chat, style, name), 'utf8');
  const file = existsSync(join(chat, style, 'chat_template.jinja'));
  return {
    json: text('tokenizer.json'),
    config: text('tokenizer_config.json'),
    ...(file && { chatTemplate: text('chat_template.jinja') }),
  };
}

/** A random model that speaks a style's tokens. */
export function randomCheckpoint(tokenizer: TokenizerFiles, vocabSize: number): Checkpoint {
  const architecture = tinyLlama(vocabSize, 256);
  return {
    weights: initialise(architecture, 1),
    tokenizer,
    bosId: undefined,
    eosIds: [],
    config: null,
    generationConfig: null,
  };
}

export async function startModel(checkpoint: Checkpoint): Promise<SharedModel> {
  const model = await createLanguageModel({ workers: 1, backend: 'onnx' });
  model.register(VERSION, checkpoint);
  return model;
}

export interface Held {
  readonly model: SharedModel;
  /** Rows of each batch so far. */
  readonly batches: number[];
  /** From now on batches wait; resolves with the next one that does. */
  hold(): Promise<void>;
  release(): void;
}

/** The model, whose batches can be made to wait. */
export function holdable(model: SharedModel): Held {
  const batches: number[] = [];
  let gate: Promise<void> = Promise.resolve();
  let open: () => void = () => undefined;
  let arrived: () => void = () => undefined;
  return {
    batches,
    model: {
      ...model,
      async sample(version, rows: readonly SampleRow[]) {
        batches.push(rows.length);
        arrived();
        await gate;
        return model.sample(version, rows);
      },
    },
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return new Promise((resolve) => {
        arrived = resolve;
      });
    },
    release: () => open(),
  };
}

export interface Serving extends RunningServer {
  readonly client: OpenAI;
  readonly lines: string[];
}

export async function serving(model: SharedModel, options: Partial<ServeOptions> = {}): Promise<Serving> {
  const lines: string[] = [];
  const { tokenizer: files } = await model.checkpoint(VERSION);
  const clock = { now: () => Date.UTC(2026, 10, 24) };
  const format = createChatFormat({ files, tokenizer: model.tokenizer(VERSION), runFormat: null, clock });
  const server = await startServer({
    model,
    version: VERSION,
    name: NAME,
    chat: format,
    host: '127.0.0.1',
    port: 0,
    key: null,
    seed: 1,
    clock,
    log: (line) => lines.push(line),
    ...options,
  });
  const client = new OpenAI({
    baseURL: `${server.url}/v1`,
    apiKey: options.key ?? 'none',
    maxRetries: 0,
  });
  return { ...server, client, lines };
}

/** The body of an answer to raw text, which must be JSON. */
export async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: 'POST', body, headers });
  return {
    status: response.status,
    body: (await response.json()) as {
      error?: { message: string; type: string; code: string | null; param: string | null };
    },
  };
}
