/**
 * `soliloquy serve`: an OpenAI-compatible server of one model, until Ctrl-C.
 */
import { Command } from 'commander';
import { readCheckpoint } from '../lm/checkpoint.js';
import { SoliloquyError } from '../protocol/errors.js';
import { isLoopback } from '../serve/door.js';
import { type RunningServer, startServer } from '../serve/server.js';
import { chatFormatOf, needTokenizer } from './chat-model.js';
import { hubModel } from './hub.js';
import { MODEL_HELP, modelArgument, modelName } from './model-argument.js';
import { MODEL, withLanguageModel } from './one-model.js';
import { type Machinery, printJson, systemClock, wholeNumber, withMachinery } from './options.js';

interface Options extends Machinery {
  readonly host: string;
  readonly port: number;
  readonly name?: string;
  readonly apiKeyEnv?: string;
  readonly seed: number;
  readonly json?: true;
}

const NOTES = `
Serves /v1/models, /v1/chat/completions and /v1/completions, and /health. Ctrl-C finishes what runs (5 seconds at most) and
ends; a second one ends at once. Without --api-key-env only this machine can ask. What is supported: docs/serve.md.

Examples
  soliloquy serve runs/paper-1/M3
  soliloquy serve ./checkpoint --port 0 --name my-model --json     {"url":"http://127.0.0.1:…","model":"my-model",…}
  SERVE_KEY=… soliloquy serve ./checkpoint --host 0.0.0.0 --api-key-env SERVE_KEY`;

export const serveCommand = (): Command =>
  withMachinery(
    new Command('serve')
      .description('an OpenAI-compatible server of one model')
      .argument('<model>', MODEL_HELP)
      .option('--host <address>', 'to listen on; any but this machine’s own needs --api-key-env', '127.0.0.1')
      .option('--port <n>', '0 = any that is free', wholeNumber(0, 65535), 8000)
      .option('--name <id>', 'what requests call the model; default: its folder, or RUN/M3')
      .option('--api-key-env <name>', 'environment variable with the key that requests must bring')
      .option(
        '--seed <n>',
        'of requests that bring none; the nth of them always draws the same',
        wholeNumber(0),
        1,
      )
      .option('--json', 'say the address as one line of JSON')
      .addHelpText('after', NOTES),
  ).action(serve);

/** The key stands in the environment only. */
function keyOf({ apiKeyEnv, host }: Options): string | null {
  if (apiKeyEnv === undefined) {
    if (isLoopback(host)) return null;
    throw new SoliloquyError('usage', `--host ${host} is open to others, and there is no key`, {
      fix: 'add --api-key-env NAME, with the key in that environment variable',
    });
  }
  const key = process.env[apiKeyEnv] ?? '';
  if (key.trim() !== '') return key;
  throw new SoliloquyError('usage', `--api-key-env ${apiKeyEnv}: that environment variable is empty`, {
    fix: `set ${apiKeyEnv} to the key`,
  });
}

/** Resolves when the server has ended after a signal. */
async function untilStopped(server: RunningServer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let asked = false;
    const onSignal = () => {
      const closing = server.close(asked ? 0 : undefined);
      if (asked) return;
      asked = true;
      process.stderr.write('stopping; once more to stop at once\n');
      closing.then(resolve, reject).finally(() => {
        process.off('SIGINT', onSignal);
        process.off('SIGTERM', onSignal);
      });
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

async function serve(text: string, options: Options): Promise<void> {
  const key = keyOf(options);
  const argument = modelArgument(await hubModel(text));
  const { host, port, seed } = options;
  const name = options.name ?? modelName(argument);
  const checkpoint = await readCheckpoint(argument.dir);
  needTokenizer(checkpoint, argument.dir);
  await withLanguageModel(options, async (model) => {
    model.register(MODEL, checkpoint);
    const chat = chatFormatOf(argument, checkpoint, model.tokenizer(MODEL));
    const log = (line: string) => process.stderr.write(`${line}\n`);
    const base = { model, version: MODEL, name, chat, host, port, key, seed, clock: systemClock, log };
    const server = await startServer(base).catch((cause: NodeJS.ErrnoException) => {
      throw new SoliloquyError(
        'usage',
        `can't listen on ${host}:${port}: ${cause.code ?? cause.message}`,
        { fix: '--port 0 takes any that is free' },
        { cause },
      );
    });
    if (options.json) printJson({ url: server.url, port: server.port, model: name, chat: chat.name });
    else process.stdout.write(`${name} at ${server.url}/v1 (${model.backend}, chat format: ${chat.name})\n`);
    await untilStopped(server);
  });
}
