/**
 * `soliloquy why`: the chain from a number, a model or a message back to the messages, raw texts, seeds and weights behind it.
 */
import { Command } from 'commander';
import { problemsIn } from '../report/trace.js';
import { traceText } from '../report/trace-text.js';
import { printJson } from './options.js';
import { runArgument } from './run-argument.js';
import { answerTo } from './why-answer.js';
import { questionOf } from './why-question.js';

interface Options {
  readonly json?: true;
  readonly full?: true;
}

const EXAMPLES = `
WHAT
  pair:1-0042              an episode: its prompt, answers, judgements, and the pair, or why there is none
  response:1-0042/3        one answer, its judgements, and what became of it
  judgement:1-0042/3/0.2   one judgement: raw text, how it was read, how it was drawn
  judgement-pair:1-0042    judgements compared with one another (Meta-Rewarding): verdicts, ratings, the pair or why there is none
  M2                       a version: lineage, data, judge, optimizer, loss, what it took
  metric:true.score        a number of the newest version; of another one: metric:M2/judge.pairwise
  seq:4988                 any message: what it answers, back to the start, and what it caused

Each line names its seq, who said it to whom, the raw text, sampling parameters, RNG key, version and weights hash. What can be
computed again from the log is, and compared: exit code 1 where it differs.

Examples
  soliloquy why runs/paper-1 pair:1-0042
  soliloquy why runs/paper-1 M2 --full
  soliloquy why runs/paper-1 metric:M2/judge.pairwise
  soliloquy why runs/paper-1 judgement:1-0042/3/0.2 --json    {"run":…,"what":…,"same":true,"trace":{"kind":…,"parts":[…]}}`;

export function whyCommand(): Command {
  return new Command('why')
    .description(
      'the chain from a number or a model back to the messages, texts, seeds and weights behind it',
    )
    .argument('<run>', 'a run’s folder')
    .argument('<what>', 'pair:ID, response:ID, judgement:ID, a version, metric:NAME or seq:N')
    .option('--full', 'show texts, hashes and lists whole')
    .option('--json', 'the tree as data, all of it whole')
    .addHelpText('after', EXAMPLES)
    .action(why);
}

async function why(name: string, what: string, { json, full }: Options): Promise<void> {
  const question = questionOf(what);
  const run = runArgument(name);
  const { trace, torn } = await answerTo(run, question);
  const problems = problemsIn(trace);
  if (json) printJson({ run: run.name, what, same: problems.length === 0, trace });
  else process.stdout.write(`${traceText(trace, { full: full === true })}\n`);
  if (torn) process.stderr.write('the log’s last line is torn and left out\n');
  for (const problem of problems) process.stderr.write(`differs: ${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
