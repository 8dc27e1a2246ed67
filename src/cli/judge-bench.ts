/**
 * `soliloquy judge-bench`: how far a judge agrees with people: a model that judges now, a control, or what another judge said
 * before.
 */
import { Command } from 'commander';
import { type BenchGroup, benchGroups, type RecordedBench, recordedBench } from '../data/bench-cases.js';
import { mtBenchTable } from '../data/mt-bench-scores.js';
import { type DataFile, openData } from '../data/read.js';
import { SoliloquyError } from '../protocol/errors.js';
import { versionId } from '../protocol/ids.js';
import type { Verdict } from '../protocol/messages.js';
import { builtInTemplates } from '../protocol/templates.js';
import { calibration, pairAgreement, reliability } from '../stages/agreement.js';
import { parseFailures } from '../stages/evaluate.js';
import { keys } from '../stages/keys.js';
import { type JudgedRanking, rewardModelling } from '../stages/measures.js';
import type { Resampling } from '../stats.js';
import { dataPath } from './hub.js';
import { judgeGroups, type LiveOptions } from './judge-bench-live.js';
import { mtBenchText, reportText } from './judge-bench-text.js';
import { decimal, printJson, wholeNumber, withMachinery } from './options.js';
import { collectSet } from './set-option.js';

interface Options extends LiveOptions {
  readonly recorded?: string;
  readonly template: string;
  readonly limit?: number;
  readonly json?: true;
}

const EXAMPLES = `
DATA holds people's preferences: LLMBar, PandaLM, Open Assistant, preference pairs (\`soliloquy data\` tells what a file is);
or MT-Bench judgements, whose means it tells. A judge of ours scores each answer alone, so the order of the answers can't
sway it; recorded judges that saw both are measured in both orders. The same seed gives the same verdicts.

Examples
  soliloquy judge-bench LLMBar_Natural.json --cast.judge runs/paper-1/M3
  soliloquy judge-bench trees.jsonl --cast.judge random
  soliloquy judge-bench trees.jsonl --cast.judge endpoint:big --set endpoints.big.url=http://127.0.0.1:8000/v1 --set endpoints.big.model=NAME
  soliloquy judge-bench LLMBar_Natural.json --recorded GPT-4/CoT/result.json
  soliloquy judge-bench mt_bench/question.jsonl --recorded model_judgment/gpt-4_single.jsonl`;

export function judgeBenchCommand(): Command {
  const command = new Command('judge-bench')
    .description('agreement of a judge with people’s preferences')
    .argument('<data>', 'a file of preferences, or of MT-Bench questions or judgements')
    .option(
      '--cast.judge <player>',
      'checkpoint:DIR, a model folder, RUN/M3, endpoint:NAME, random or constant:K',
    )
    .option('--set <path=value>', 'of an endpoint: endpoints.NAME.url=… (docs/endpoints.md)', collectSet)
    .option(
      '--recorded <file>',
      'what another judge said: LLMBar results, PandaLM verdicts, MT-Bench judgements',
    )
    .option('--template <name>', `judge prompt: ${Object.keys(builtInTemplates).join(' or ')}`, 'additive')
    .option('--samples <n>', 'judgements an answer; their mean is its score', wholeNumber(1, 100), 3)
    .option('--temperature <t>', 'of the judgements', decimal(0, 10), 0.7)
    .option('--max-new <n>', 'tokens of a judgement, at most', wholeNumber(1), 256)
    .option('--limit <n>', 'only the first n groups of DATA', wholeNumber(1))
    .option('--seed <n>', 'of the draws and intervals', wholeNumber(0), 1);
  return withMachinery(command)
    .option('--json', 'everything measured, as one object')
    .option('--quiet', 'no progress')
    .addHelpText('after', EXAMPLES)
    .action(measure);
}

export type Report = Awaited<ReturnType<typeof reportOf>>;

async function measure(file: string, options: Options): Promise<void> {
  const cast = options['cast.judge'];
  if (cast !== undefined && options.recorded !== undefined)
    throw oneJudge('both --cast.judge and --recorded');
  const data = await openData(await dataPath(file));
  const recorded =
    options.recorded === undefined ? undefined : await openData(await dataPath(options.recorded));
  const scores = [recorded, data].find((one) => one?.layout.name === 'mt-bench-scores');
  if (scores && cast === undefined) {
    const table = await mtBenchTable(scores, scores === data ? undefined : data);
    if (options.json) printJson({ data: file, layout: scores.layout.name, ...table });
    else process.stdout.write(`${mtBenchText(scores.file, table)}\n`);
    return;
  }
  const report = await reportOf(
    data,
    recorded ?? (cast === undefined ? selfRecorded(data) : undefined),
    options,
  );
  if (options.json) printJson(report);
  else process.stdout.write(`${reportText(report)}\n`);
}

const oneJudge = (what: string): SoliloquyError =>
  new SoliloquyError('usage', `${what}`, { fix: 'name one judge: --cast.judge PLAYER or --recorded FILE' });

/** A file that holds both people's choice and a judge's needs no second one. */
function selfRecorded(data: DataFile): DataFile {
  if (data.layout.name === 'llmbar-results') return data;
  throw oneJudge('no judge is named');
}

const resampling = (seed: number, what: string): Resampling => ({
  key: keys.bootstrap(seed, versionId('judge-bench'), what),
  resamples: 1000,
  confidence: 0.95,
});

async function reportOf(data: DataFile, recorded: DataFile | undefined, options: Options) {
  const by = (what: string) => resampling(options.seed, what);
  if (recorded) {
    const bench = await recordedBench(data, recorded);
    return {
      data: data.file,
      layout: data.layout.name,
      judge: `recorded:${recorded.file}`,
      pairwise: pairAgreement(bench.pairs, by('pairs')),
      ...scored(bench.rankings, bench.scale, options.seed),
      ...extras(bench),
    };
  }
  const template = builtInTemplates[options.template];
  if (!template)
    throw new SoliloquyError('usage', `--template ${options.template}: no such judge prompt`, {
      fix: `one of: ${Object.keys(builtInTemplates).join(', ')}`,
    });
  const groups = (await benchGroups(data)).slice(0, options.limit);
  const { judge, verdicts, rankings, usage } = await judgeGroups(groups, template, options);
  return {
    data: data.file,
    layout: data.layout.name,
    judge,
    ...(usage ? { usage } : {}),
    groups: groups.length,
    humanTies: humanTies(groups),
    parseFailures: parseFailures(verdicts as readonly Verdict[], by('parse-failures')),
    ...scored(rankings, template.verdict.max, options.seed),
  };
}

const extras = ({ published, contradictions }: RecordedBench) => ({
  ...(published ? { published } : {}),
  ...(contradictions === undefined ? {} : { contradictions }),
});

const humanTies = (groups: readonly BenchGroup[]): number =>
  groups.filter(({ responses }) => responses.every(({ value }) => value === responses[0]!.value)).length;

/** What only scores can be asked. */
function scored(rankings: readonly JudgedRanking[], scale: number, seed: number) {
  if (rankings.length === 0) return {};
  return {
    measures: rewardModelling(rankings, scale, resampling(seed, 'measures')),
    calibration: calibration(rankings, resampling(seed, 'calibration')),
    reliability: reliability(rankings, resampling(seed, 'reliability')),
  };
}
