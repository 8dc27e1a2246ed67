/**
 * Judging a bench now: by a model on worker threads, with the judge prompt and the reading of the loop, or by a control that
 * only gives scores. Each answer is judged alone.
 */
import { checkEndpoints, createServers } from '../../actors/endpoints.js';
import { judgeServed, type ServedJudge } from '../../actors/served-judge.js';
import type { BenchGroup } from '../data/bench-cases.js';
import { readCheckpoint } from '../lm/checkpoint.js';
import { rowsOf, sampleBatch } from '../players/sampling.js';
import { castText, parseCast } from '../protocol/cast.js';
import { type ConfigPart, resolveConfig } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { RngKey } from '../protocol/lm.js';
import type { Usage, Verdict } from '../protocol/messages.js';
import type { JudgeTemplate } from '../protocol/records.js';
import { rngOf } from '../rng.js';
import { meanScore, parseVerdict } from '../stages/judge.js';
import { keys } from '../stages/keys.js';
import type { JudgedRanking } from '../stages/measures.js';
import { judgePrompt } from '../stages/templates.js';
import { addUsage } from '../stages/usage.js';
import { promptFormatOf } from './chat-model.js';
import { hubModel } from './hub.js';
import { modelArgument } from './model-argument.js';
import { MODEL, withLanguageModel } from './one-model.js';
import { type Machinery, systemClock } from './options.js';

export interface LiveOptions extends Machinery {
  readonly 'cast.judge'?: string;
  readonly samples: number;
  readonly temperature: number;
  readonly maxNew: number;
  readonly seed: number;
  readonly set?: readonly ConfigPart[];
  readonly json?: true;
  readonly quiet?: true;
}

/** One answer to be judged. */
interface Case {
  readonly prompt: string;
  readonly response: string;
  readonly keys: readonly RngKey[];
}

export interface LiveBench {
  readonly judge: string;
  readonly verdicts: readonly Verdict[];
  readonly rankings: readonly JudgedRanking[];
  /** Of a judge behind a server. */
  readonly usage?: Usage;
}

export async function judgeGroups(
  groups: readonly BenchGroup[],
  template: JudgeTemplate,
  options: LiveOptions,
): Promise<LiveBench> {
  const cases = groups.flatMap(({ id, prompt, responses }, group) =>
    responses.map(({ text }, index) => ({
      prompt,
      response: text,
      // Ids of public data need not be unique.
      keys: Array.from({ length: options.samples }, (_, sample) =>
        keys.probe(options.seed, `${group}/${id}`, index, sample),
      ),
    })),
  );
  const cast = await castOrModel(options['cast.judge']!);
  let usage: Usage | undefined;
  const bill = (more: Usage) => {
    usage = addUsage(usage, more);
  };
  const made =
    'scorer' in cast
      ? cases.map((one) => one.keys.map((key) => scoreOf(cast.scorer, key)))
      : 'endpoint' in cast
        ? await judgeAt(cast.endpoint, cases, template, { ...options, bill })
        : await judgeBy(cast.model, cases, template, options);
  let at = 0;
  const rankings = groups.map(({ responses }) => ({
    responses: responses.map(({ value }) => ({ value, score: meanScore(made[at++]!).score })),
  }));
  const judge =
    'scorer' in cast
      ? cast.scorer
      : 'endpoint' in cast
        ? `endpoint:${cast.endpoint}`
        : `checkpoint:${cast.model}`;
  return { judge, verdicts: made.flat(), rankings, ...(usage ? { usage } : {}) };
}

/** By a server that `--set endpoints.NAME.…` names. */
async function judgeAt(
  name: string,
  cases: readonly Case[],
  template: JudgeTemplate,
  options: LiveOptions & Pick<ServedJudge, 'bill'>,
): Promise<Verdict[][]> {
  const config = resolveConfig(...(options.set ?? []), { cast: { judge: `endpoint:${name}` } });
  checkEndpoints(config);
  const servers = createServers(config.endpoints, [name], { clock: systemClock });
  const sampling = { temperature: options.temperature, topP: 1, maxNewTokens: options.maxNew };
  const show = shownProgress(options, cases.length);
  let done = 0;
  try {
    const { bill } = options;
    const { retries } = config.flow;
    const server = servers.of(name);
    const onCase = () => show(++done);
    // As a server's users ask: by its chat, unless the endpoint's `api` says otherwise. It knows where its answers end.
    const asked = { sampling, stop: [], through: 'chat' as const };
    return await judgeServed({ ...asked, server, template, retries, bill, onCase }, cases);
  } finally {
    servers.close();
    show(null);
  }
}

/** Tells how many answers are judged; null: no more. */
function shownProgress({ json, quiet }: LiveOptions, all: number): (done: number | null) => void {
  if (json || quiet || !process.stderr.isTTY) return () => undefined;
  return (done) => {
    const text =
      done === null ? '' : `${Math.round((100 * done) / all)} %  judging ${done} of ${all} answers`;
    process.stderr.write(`\r\x1b[2K${text}`);
  };
}

const scoreOf = (scorer: string, key: RngKey): Verdict => ({
  status: 'score',
  score: scorer === 'random' ? rngOf(key).below(6) : Number(scorer.slice('constant:'.length)),
});

/** Answers in one batch, whatever the number of workers. */
const BATCH = 16;

async function judgeBy(
  name: string,
  cases: readonly Case[],
  template: JudgeTemplate,
  options: LiveOptions,
): Promise<Verdict[][]> {
  const argument = modelArgument(name);
  const checkpoint = await readCheckpoint(argument.dir);
  const { stop, through } = promptFormatOf(argument, checkpoint);
  const sampling = { temperature: options.temperature, topP: 1, maxNewTokens: options.maxNew };
  const asking = { sampling, stop: stop.judgement, through };
  const show = shownProgress(options, cases.length);
  return withLanguageModel(options, async (model) => {
    model.register(MODEL, checkpoint);
    const verdicts: Verdict[][] = [];
    for (let from = 0; from < cases.length; from += BATCH) {
      const batch = cases.slice(from, from + BATCH).map(({ prompt, response, keys }) => ({
        prompt: judgePrompt(template, prompt, response),
        keys,
      }));
      const rows = rowsOf(model, MODEL, asking, batch);
      const said = await sampleBatch(model, MODEL, rows);
      let at = 0;
      for (const { keys } of batch) verdicts.push(keys.map(() => parseVerdict(said[at++]!.text, template)));
      show(verdicts.length);
    }
    show(null);
    return verdicts;
  });
}

/** `checkpoint:DIR`, `random` … as a cast; anything else names a model, a Hub id then its commit. */
async function castOrModel(
  text: string,
): Promise<{ readonly scorer: string } | { readonly endpoint: string } | { readonly model: string }> {
  if (text.startsWith('endpoint:')) {
    const cast = parseCast('judge', text);
    if (cast.player === 'endpoint') return { endpoint: cast.name };
  }
  if (/^(random|constant:.*)$/.test(text)) return { scorer: castText(parseCast('judge', text)) };
  if (text.startsWith('checkpoint:')) return { model: await hubModel(text.slice('checkpoint:'.length)) };
  if (/^(live|oracle|frozen:.*|lagged:.*|recorded:.*|ensemble:.*|module:.*)$/.test(text))
    throw new SoliloquyError('cast.invalid', `cast "${text}" makes no sense outside a run`, {
      cast: text,
      fix: 'one of: checkpoint:DIR, a model folder, RUN/M3, endpoint:NAME, random, constant:K',
    });
  return { model: await hubModel(text) };
}
