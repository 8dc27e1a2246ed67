/**
 * `soliloquy parity`: a checkpoint here against the same checkpoint in transformers, where a Python has it. Compared are
 * log-probs of a few sequences of random tokens and of greedy continuations, and the continuations themselves.
 */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Architecture } from '../lm/architecture.js';
import type { SharedModel } from '../pool/language-model.js';
import type { BackendChoice } from '../protocol/backends.js';
import { keyOf, rngOf } from '../rng.js';
import { hubModel } from './hub.js';
import { MODEL_HELP, modelArgument } from './model-argument.js';
import { backendOption, MODEL, withOneModel } from './one-model.js';
import { printJson, wholeNumber } from './options.js';
import {
  type Answer,
  askTransformers,
  defaultPython,
  type Question,
  type Said,
} from './transformers-python.js';

/** Nats. */
const LIMIT = 1e-4;
/** Where transformers' best logit leads by less than what log-probs may differ by, either token is right. */
const TIE = 2 * LIMIT;
const LENGTHS = [2, 17, 64, 200];
const PROMPTS = [1, 5, 40];
const NEW_TOKENS = 24;

interface Options {
  readonly python: string;
  readonly seed: number;
  readonly backend: BackendChoice;
  readonly json?: true;
}

const EXAMPLES = `
Sequences are random token ids, so no tokenizer is needed. Log-probs must agree within ${LIMIT} nats, greedy tokens must be
the same up to the first tie (transformers' best logit leads the second by less than ${TIE}).
Exit code 0: they agree; 1: they differ, or nothing could be compared, and then the way to get what is missing is told.

Examples
  soliloquy parity ./checkpoint
  soliloquy parity runs/paper-1/M3 --python .venv/bin/python
  soliloquy parity ./checkpoint --json     {"ok":true,"logprobs":{"maxDifference":…},"greedy":{"equal":true},"skipped":null}`;

export const parityCommand = (): Command =>
  new Command('parity')
    .description('a checkpoint against transformers in Python: log-probs and greedy tokens')
    .argument('<model>', MODEL_HELP)
    .option(
      '--python <path>',
      'a Python that has torch and transformers (default: SOLILOQUY_PYTHON, else python3)',
    )
    .option('--seed <n>', 'of the random tokens', wholeNumber(0), 1)
    .addOption(backendOption())
    .option(
      '--json',
      '{"model","family","backend","transformers","ok","logprobs":{…},"greedy":{…},"skipped":…}',
    )
    .addHelpText('after', EXAMPLES)
    .action((name: string, options: Omit<Options, 'python'> & { readonly python?: string }) =>
      parity(name, { ...options, python: options.python ?? defaultPython() }),
    );

async function parity(name: string, { python, seed, backend, json }: Options): Promise<void> {
  const { dir } = modelArgument(await hubModel(name));
  await withOneModel(dir, backend, async (model, { weights }) => {
    const { architecture } = weights;
    const own = await ownAnswers(model, architecture, seed);
    const question = { ...own.question, model: resolve(dir) };
    const answer = await askTransformers(python, question);
    const facts = { model: dir, family: architecture.family, backend: model.backend, python };
    const report = 'missing' in answer ? skipped(answer.missing) : compared(own, answer);
    if (!report.ok) process.exitCode = 1;
    if (json) printJson({ ...facts, ...versionsOf(answer), ...report });
    else process.stdout.write(`${textOf(report, answer)}\n`);
  });
}

const versionsOf = (answer: Answer) =>
  'missing' in answer
    ? { transformers: null, torch: null }
    : { transformers: answer.transformers, torch: answer.torch };

interface Own {
  readonly question: Omit<Question, 'model'>;
  readonly logprobs: readonly Float32Array[];
  readonly greedy: readonly (readonly number[])[];
}

async function ownAnswers(model: SharedModel, architecture: Architecture, seed: number): Promise<Own> {
  const { vocabSize, maxPositions } = architecture;
  const rng = rngOf(keyOf(seed, 'parity'));
  const draw = (length: number): number[] => Array.from({ length }, () => rng.below(vocabSize));
  const fitting = (lengths: readonly number[], most: number) =>
    [...new Set(lengths.map((length) => Math.max(1, Math.min(length, most))))].map(draw);
  const random = fitting(LENGTHS, maxPositions);
  const prompts = fitting(PROMPTS, Math.floor(maxPositions / 2));
  const newTokens = Math.min(NEW_TOKENS, Math.ceil(maxPositions / 2));
  const rows = prompts.map((promptIds) => ({
    promptIds,
    key: keyOf(seed, 'parity'),
    sampling: { temperature: 0, topP: 1, maxNewTokens: newTokens },
    stopIds: [],
  }));
  const greedy = (await model.sample(MODEL, rows)).map(({ ids }) => ids);
  const sequences = [...random, ...prompts.map((prompt, i) => [...prompt, ...greedy[i]!])];
  const logprobs = await model.score(MODEL, sequences);
  return { question: { sequences, prompts, newTokens }, logprobs, greedy };
}

interface Report {
  readonly ok: boolean;
  readonly logprobs: {
    readonly sequences: number;
    readonly tokens: number;
    readonly maxDifference: number;
    readonly limit: number;
  } | null;
  readonly greedy: {
    readonly prompts: number;
    readonly tokens: number;
    readonly equal: boolean;
    readonly ties: number;
    /** Which prompt, and which of its new tokens, from 0. */
    readonly firstDifference: { readonly prompt: number; readonly token: number } | null;
  } | null;
  readonly skipped: { readonly reason: string; readonly fix: string } | null;
}

const skipped = (reason: string): Report => ({
  ok: false,
  logprobs: null,
  greedy: null,
  skipped: {
    reason,
    fix: 'python3 -m venv .venv && .venv/bin/pip install torch transformers, then add --python .venv/bin/python',
  },
});

function compared(own: Own, said: Said): Report {
  let maxDifference = 0;
  let tokens = 0;
  own.logprobs.forEach((line, i) => {
    const theirs = said.logprobs[i] ?? [];
    for (let t = 1; t < line.length; t++, tokens++) {
      const difference = Math.abs(line[t]! - (theirs[t - 1] ?? Number.NaN));
      // Not a number on either side is as far off as can be.
      if (!(difference <= maxDifference)) maxDifference = Number.isNaN(difference) ? Infinity : difference;
    }
  });
  const logprobs = { sequences: own.logprobs.length, tokens, maxDifference, limit: LIMIT };
  const greedy = comparedGreedy(own, said);
  return { ok: maxDifference <= LIMIT && greedy.equal, logprobs, greedy, skipped: null };
}

function comparedGreedy(own: Own, said: Said): NonNullable<Report['greedy']> {
  const partings = own.greedy.flatMap((ids, prompt) => {
    const theirs = said.greedy[prompt] ?? { ids: [], leads: [] };
    const token = ids.findIndex((id, t) => id !== theirs.ids[t]);
    return token < 0 ? [] : [{ prompt, token, tie: (theirs.leads[token] ?? Infinity) < TIE }];
  });
  const first = partings.find(({ tie }) => !tie);
  return {
    prompts: own.greedy.length,
    tokens: own.greedy.reduce((sum, ids) => sum + ids.length, 0),
    equal: first === undefined,
    ties: partings.filter(({ tie }) => tie).length,
    firstDifference: first === undefined ? null : { prompt: first.prompt, token: first.token },
  };
}

function textOf({ ok, logprobs, greedy, skipped: left }: Report, answer: Answer): string {
  if (left !== null || logprobs === null || greedy === null || 'missing' in answer)
    return `skipped log-probs and greedy tokens: ${left?.reason}\n  way out: ${left?.fix}`;
  const { prompts, tokens, equal, ties, firstDifference } = greedy;
  const parting =
    firstDifference && `differ at token ${firstDifference.token} of prompt ${firstDifference.prompt}`;
  const tied = ties > 0 ? ` (${ties} parted at a tie)` : '';
  return [
    `against ${answer.class} of transformers ${answer.transformers}, torch ${answer.torch}`,
    `log-probs      ${logprobs.tokens} of ${logprobs.sequences} sequences, largest difference ${logprobs.maxDifference.toExponential(1)} (limit ${logprobs.limit})`,
    `greedy tokens  ${tokens} after ${prompts} prompts: ${equal ? `the same${tied}` : parting}`,
    ok ? 'the same model' : 'NOT the same',
  ].join('\n');
}
