/**
 * `soliloquy answer`: a model's answers to a file of questions, in the layouts that AlpacaEval and MT-Bench read.
 */
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { type AlpacaEvalOutput, writeAlpacaEvalOutputs } from '../data/alpaca-eval.js';
import { type MtBenchAnswer, writeMtBenchAnswers } from '../data/mt-bench.js';
import type { ChatMessage } from '../lm/chat-template.js';
import { readCheckpoint } from '../lm/checkpoint.js';
import { sampleBatch } from '../players/sampling.js';
import type { SharedModel } from '../pool/language-model.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { Sampling } from '../protocol/lm.js';
import { keyOf } from '../rng.js';
import type { ChatFormat } from '../serve/chat-format.js';
import { chatFormatOf, needTokenizer } from './chat-model.js';
import { dataPath, hubModel } from './hub.js';
import { MODEL_HELP, modelArgument, modelName } from './model-argument.js';
import { MODEL, withLanguageModel } from './one-model.js';
import { decimal, type Machinery, printJson, systemClock, wholeNumber, withMachinery } from './options.js';
import { type Question, readQuestions } from './question-file.js';

const FORMATS = ['alpaca-eval', 'mt-bench'] as const;
type Format = (typeof FORMATS)[number];

interface Options extends Machinery {
  readonly questions: string;
  readonly format: Format;
  readonly to: string;
  readonly name?: string;
  readonly temperature?: number;
  readonly maxNew: number;
  readonly seed: number;
  readonly force?: true;
  readonly json?: true;
  readonly quiet?: true;
}

const EXAMPLES = `
alpaca-eval: one list of {instruction, output, generator}, for alpaca_eval --model_outputs; of questions of several turns the
first is answered. mt-bench: model_answer/NAME.jsonl of FastChat, every turn answered after the ones before it, at FastChat's
temperature for the question's category. The model is spoken to as \`generate --chat\` does; the same seed gives the same answers.

Examples
  soliloquy answer runs/paper-1/M3 --questions alpaca_eval.json --format alpaca-eval --to m3.json
  soliloquy answer hf:org/name --questions question.jsonl --format mt-bench --to model_answer/name.jsonl --max-new 1024`;

export const answerCommand = (): Command =>
  withMachinery(
    new Command('answer')
      .description('a model’s answers to a question file, as AlpacaEval and MT-Bench read them')
      .argument('<model>', MODEL_HELP)
      .requiredOption('--questions <file>', 'of AlpacaEval or MT-Bench, or prompts; or hf:datasets/…')
      .addOption(
        new Option('--format <name>', 'layout of the answers').choices(FORMATS).makeOptionMandatory(),
      )
      .requiredOption('--to <file>', 'where they go')
      .option('--name <id>', 'what the model is called there (default: its folder, RUN/M3 or Hub id)')
      .option('--temperature <t>', '0 = greedy (default: 0.7; mt-bench: by category)', decimal(0, 10))
      .option('--max-new <n>', 'tokens of an answer, at most', wholeNumber(1), 512)
      .option('--seed <n>', 'of the draws', wholeNumber(0), 1),
  )
    .option('--force', 'replace the file')
    .option('--json', '{"to","format","model","questions","turns","noRoom"}')
    .option('--quiet', 'no progress')
    .addHelpText('after', EXAMPLES)
    .action(answer);

/** FastChat's `temperature_config` (fastchat/llm_judge/common.py); 0.7 for what it doesn't name. */
const TEMPERATURES: Readonly<Record<string, number>> = {
  writing: 0.7,
  roleplay: 0.7,
  extraction: 0,
  math: 0,
  coding: 0,
  reasoning: 0,
  stem: 0.1,
  humanities: 0.1,
  'arena-hard-200': 0,
};

function samplingOf({ category }: Question, { format, temperature, maxNew }: Options): Sampling {
  const published = format === 'mt-bench' ? TEMPERATURES[category ?? ''] : undefined;
  return { temperature: temperature ?? published ?? 0.7, topP: 1, maxNewTokens: maxNew };
}

/** Questions in one batch, whatever the number of workers. */
const BATCH = 16;

interface Answers {
  /** Of each question, turn by turn. */
  readonly texts: readonly string[][];
  /** Turns that the model's context has no room for: their answers are empty. */
  readonly noRoom: number;
}

async function answersTo(
  questions: readonly Question[],
  model: SharedModel,
  chat: ChatFormat,
  options: Options,
  onAnswer: (answered: number) => void,
): Promise<Answers> {
  const answers = questions.map((): string[] => []);
  const turns = Math.max(...questions.map((one) => one.turns.length));
  let answered = 0;
  let noRoom = 0;
  for (let turn = 0; turn < turns; turn++) {
    const open = questions.flatMap((question, at) =>
      turn < question.turns.length ? [{ question, at }] : [],
    );
    for (let from = 0; from < open.length; from += BATCH) {
      const batch = open.slice(from, from + BATCH);
      const rows = batch.map(({ question, at }) => ({
        promptIds: chat.encode(talk(question, answers[at]!)),
        key: keyOf(options.seed, 'answer', question.id, turn),
        sampling: samplingOf(question, options),
        stopIds: chat.stopIds,
      }));
      const said = await sampleBatch(model, MODEL, rows);
      for (const [i, { at }] of batch.entries()) answers[at]!.push(said[i]!.text.trim());
      noRoom += said.filter(({ finish }) => finish === 'no-room').length;
      answered += batch.length;
      onAnswer(answered);
    }
  }
  return { texts: answers, noRoom };
}

/** What was said so far, up to the turn that is next. */
const talk = ({ turns }: Question, answers: readonly string[]): ChatMessage[] =>
  turns.slice(0, answers.length + 1).flatMap((content, i): ChatMessage[] => {
    const answer = answers[i];
    const asked: ChatMessage = { role: 'user', content };
    return answer === undefined ? [asked] : [asked, { role: 'assistant', content: answer }];
  });

/** Alike for the same question, model and seed. */
const answerId = (seed: number, name: string, question: string): string =>
  keyOf(seed, 'answer.id', name, question)
    .map((word) => word.toString(36))
    .join('');

function write(
  questions: readonly Question[],
  answers: readonly string[][],
  name: string,
  { format, to, seed }: Options,
): Promise<void> {
  if (format === 'alpaca-eval') {
    const outputs = questions.map(
      ({ turns, category }, i): AlpacaEvalOutput => ({
        dataset: category,
        instruction: turns[0]!,
        output: answers[i]![0]!,
        generator: name,
      }),
    );
    return writeAlpacaEvalOutputs(to, outputs);
  }
  const tstamp = systemClock.now() / 1000;
  const rows = questions.map(
    ({ id }, i): MtBenchAnswer => ({
      question_id: /^\d{1,15}$/.test(id) ? Number(id) : id,
      answer_id: answerId(seed, name, id),
      model_id: name,
      choices: [{ index: 0, turns: answers[i]! }],
      tstamp,
    }),
  );
  return writeMtBenchAnswers(to, rows);
}

async function answer(given: string, options: Options): Promise<void> {
  const { to, format, force } = options;
  if (existsSync(to) && !force)
    throw new SoliloquyError('run.exists', `--to ${to} exists`, {
      file: to,
      fix: 'name another file, or add --force',
    });
  const argument = modelArgument(await hubModel(given));
  const name = options.name ?? modelName(argument);
  const read = await readQuestions(await dataPath(options.questions));
  const questions =
    format === 'mt-bench' ? read : read.map((one) => ({ ...one, turns: one.turns.slice(0, 1) }));
  const checkpoint = await readCheckpoint(argument.dir);
  needTokenizer(checkpoint, argument.dir);
  const total = questions.reduce((sum, { turns }) => sum + turns.length, 0);
  const silent = options.json || options.quiet || !process.stderr.isTTY;
  const progress = (done: number) =>
    silent ||
    process.stderr.write(`\r\x1b[2K${Math.round((100 * done) / total)} %  ${done} of ${total} answers`);
  const noRoom = await withLanguageModel(options, async (model) => {
    model.register(MODEL, checkpoint);
    const chat = chatFormatOf(argument, checkpoint, model.tokenizer(MODEL));
    const answers = await answersTo(questions, model, chat, options, progress);
    if (!silent) process.stderr.write('\r\x1b[2K');
    await write(questions, answers.texts, name, options);
    return answers.noRoom;
  });
  if (options.json) printJson({ to, format, model: name, questions: questions.length, turns: total, noRoom });
  else process.stdout.write(`${to}: ${total} answers of ${name} to ${questions.length} questions\n`);
  if (noRoom > 0)
    process.stderr.write(
      `${noRoom} answers are empty: what was said before them fills the model’s context\n`,
    );
}
