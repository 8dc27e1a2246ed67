/**
 * `soliloquy score`: log p of each token of one sequence, given those before it.
 */
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import type { SharedModel } from '../pool/language-model.js';
import type { BackendChoice } from '../protocol/backends.js';
import { hubModel } from './hub.js';
import { MODEL_HELP, modelArgument } from './model-argument.js';
import {
  backendOption,
  checkTokensGiven,
  idsOf,
  idsOption,
  MODEL,
  type TokensGiven,
  withOneModel,
} from './one-model.js';
import { printJson } from './options.js';

interface Options {
  readonly text?: string;
  readonly ids?: readonly number[];
  readonly backend: BackendChoice;
  readonly json?: true;
}

const EXAMPLES = `
The text is encoded as the checkpoint's sequences start (with its BOS token, where they have one). The first token has no
log-probability: nothing stands before it. Nats, at temperature 1.

Examples
  soliloquy score runs/paper-1/M3 --text "<user> name three animals . <asst> cat dog cow"
  soliloquy score ./checkpoint --ids 1,403,407 --json     {"ids":[1,403,407],"logprobs":[null,-0.24,-0.01]}`;

export function scoreCommand(): Command {
  return new Command('score')
    .description('log-probabilities of a text, token by token')
    .argument('<model>', MODEL_HELP)
    .addOption(new Option('--text <text>', 'the text to score').conflicts('ids'))
    .addOption(idsOption())
    .addOption(backendOption())
    .option('--json', '{"ids":[…],"logprobs":[null,…]}')
    .addHelpText('after', EXAMPLES)
    .action(score);
}

async function score(name: string, { json, backend, ...options }: Options): Promise<void> {
  const given: TokensGiven = { ...options, flag: '--text' };
  checkTokensGiven(given);
  const { dir } = modelArgument(await hubModel(name));
  await withOneModel(dir, backend, async (model, { tokenizer }) => {
    const ids = idsOf(given, model);
    const [scored] = await model.score(MODEL, [ids]);
    const logprobs = ids.map((_, i) => (i === 0 ? null : scored![i]!));
    if (json) printJson({ ids, logprobs });
    else process.stdout.write(`${tableOf(ids, logprobs, tokenizer === null ? undefined : model)}\n`);
  });
}

/** Without a tokenizer: ids only. */
function tableOf(
  ids: readonly number[],
  logprobs: readonly (number | null)[],
  model: SharedModel | undefined,
): string {
  const table = new Table({
    head: ['id', 'token', 'log p'],
    colAligns: ['right', 'left', 'right'],
    style: { head: [], border: [], compact: true },
  });
  ids.forEach((id, i) => {
    const token = model === undefined ? '' : JSON.stringify(model.tokenizer(MODEL).decode([id]));
    table.push([id, token, logprobs[i]?.toFixed(4) ?? '']);
  });
  const known = logprobs.filter((value) => value !== null);
  const sum = known.reduce((a, b) => a + b, 0);
  const mean = known.length === 0 ? '' : `, mean ${(sum / known.length).toFixed(4)}`;
  return `${table.toString()}\nsum ${sum.toFixed(4)} over ${known.length} tokens${mean}`;
}
