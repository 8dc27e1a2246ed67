/**
 * `soliloquy generate`: one continuation by one model.
 */
import { Command, Option } from 'commander';
import type { ChatMessage } from '../lm/chat-template.js';
import type { Checkpoint } from '../lm/checkpoint.js';
import type { BackendChoice } from '../protocol/backends.js';
import { resolveConfig } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { SampleRow, Sampling } from '../protocol/lm.js';
import type { Tokenizer } from '../protocol/ports.js';
import { keyOf } from '../rng.js';
import { chatFormatOf } from './chat-model.js';
import { hubModel } from './hub.js';
import { MODEL_HELP, type ModelArgument, modelArgument } from './model-argument.js';
import {
  backendOption,
  checkTokensGiven,
  idsOf,
  idsOption,
  MODEL,
  type TokensGiven,
  withOneModel,
} from './one-model.js';
import { decimal, printJson, wholeNumber } from './options.js';

interface Options {
  readonly prompt?: string;
  readonly ids?: readonly number[];
  readonly greedy?: true;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly maxNew: number;
  readonly backend: BackendChoice;
  readonly chat?: true;
  readonly system?: string;
  readonly json?: true;
}

const EXAMPLES = `
The prompt is taken as it is, after the checkpoint's BOS token where its sequences have one. With --chat it is a user's
message in the checkpoint's chat template, else in the format of its run, else as "Instruction: … Response:". Generation ends at the model's end-of-sequence token, after --max-new tokens, or where its positions end. Ids and text
are those of the new tokens, without the end token. The same seed gives the same tokens.

Examples
  soliloquy generate runs/paper-1/M3 --prompt "<user> name three animals . <asst>"
  soliloquy generate ./checkpoint --prompt "Once upon a time" --greedy --max-new 200
  soliloquy generate ./checkpoint --chat --system "Be brief." --prompt "Name three animals."
  soliloquy generate ./checkpoint --ids 1 --temperature 0.7 --top-p 0.9 --seed 3 --json     {"ids":[…],"text":"…"}`;

export function generateCommand(): Command {
  const { temperature, topP } = resolveConfig({}).respond.sampling;
  const drawn = ['temperature', 'topP', 'seed'];
  return new Command('generate')
    .description('continue a prompt')
    .argument('<model>', MODEL_HELP)
    .addOption(new Option('--prompt <text>', 'the text to continue').conflicts('ids'))
    .addOption(idsOption())
    .addOption(new Option('--chat', 'the prompt is a user’s message').conflicts('ids'))
    .addOption(new Option('--system <text>', 'with --chat: what stands before the message').conflicts('ids'))
    .addOption(new Option('--greedy', 'always the most likely token').conflicts(drawn))
    .addOption(
      new Option('--temperature <t>', 'above 1 bolder, below 1 safer, 0 = greedy')
        .argParser(decimal(0, 10))
        .default(temperature),
    )
    .addOption(
      new Option('--top-p <p>', 'draw from the likeliest tokens with this mass; 1 = all')
        .argParser(topMass)
        .default(topP),
    )
    .addOption(new Option('--seed <n>', 'of the draws').argParser(wholeNumber(0)).default(1))
    .option('--max-new <n>', 'new tokens at most', wholeNumber(1), 128)
    .addOption(backendOption())
    .option('--json', '{"ids":[…],"text":…}; the text is null where the model has no tokenizer')
    .addHelpText('after', EXAMPLES)
    .action(generate);
}

/** A mass of 0 holds no token. */
const topMass = decimal(1e-6, 1);

/** The prompt as a user's message. */
function chatStart(
  argument: ModelArgument,
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
  { prompt = '', system }: Options,
): Pick<SampleRow, 'promptIds' | 'stopIds'> {
  const { encode, stopIds } = chatFormatOf(argument, checkpoint, tokenizer);
  const before: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  return { promptIds: encode([...before, { role: 'user', content: prompt }]), stopIds };
}

async function generate(name: string, options: Options): Promise<void> {
  const { ids, prompt, greedy, temperature, topP, maxNew, seed, backend, json } = options;
  const given: TokensGiven = {
    ...(ids && { ids }),
    ...(prompt !== undefined && { text: prompt }),
    flag: '--prompt',
  };
  checkTokensGiven(given);
  const sampling: Sampling = greedy
    ? { temperature: 0, topP: 1, maxNewTokens: maxNew }
    : { temperature, topP, maxNewTokens: maxNew };
  if (options.system !== undefined && !options.chat)
    throw new SoliloquyError('usage', '--system says what stands before a chat, and there is no --chat', {
      fix: 'add --chat',
    });
  const argument = modelArgument(await hubModel(name));
  await withOneModel(argument.dir, backend, async (model, checkpoint) => {
    const { tokenizer, eosIds } = checkpoint;
    const start = options.chat
      ? chatStart(argument, checkpoint, model.tokenizer(MODEL), options)
      : {
          promptIds: idsOf(given, model),
          stopIds: tokenizer === null ? eosIds : model.tokenizer(MODEL).eosIds,
        };
    const row = { ...start, key: keyOf(seed, 'generate'), sampling };
    const [output] = await model.sample(MODEL, [row]);
    const text = tokenizer === null ? null : model.tokenizer(MODEL).decode(output!.ids);
    if (json) printJson({ ids: output!.ids, text });
    else process.stdout.write(`${text ?? output!.ids.join(',')}\n`);
  });
}
