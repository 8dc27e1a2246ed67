/**
 * What an evaluation asks of the model: answers to held-out prompts, verdicts of the cast judge, judgements of the probe
 * bank. Owns the batches and nothing else; facts and numbers are made of it in evaluator.ts.
 */
import { type Asking, type Prompted, rowsOf, sampleBatch } from '../src/players/sampling.js';
import { scoreBy } from '../src/players/scorer.js';
import {
  castText,
  isModelCast,
  type JudgeMember,
  membersOf,
  parseCast,
  versionFor,
} from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { RngKey } from '../src/protocol/lm.js';
import type { BodyOf, Generation, Usage, Verdict } from '../src/protocol/messages.js';
import type { Endpoint, LanguageModel, World } from '../src/protocol/ports.js';
import type { JudgeTemplate, SeedData } from '../src/protocol/records.js';
import { parseVerdict } from '../src/stages/judge.js';
import { keys } from '../src/stages/keys.js';
import { readingOf, throughOf } from '../src/stages/reading.js';
import { chatPrompt, judgePrompt } from '../src/stages/templates.js';
import { judgeServed, type ServedJudge } from './served-judge.js';

export interface Measuring {
  readonly config: Config;
  readonly model: LanguageModel;
  readonly world: World;
  readonly template: JudgeTemplate;
  readonly seedData: () => SeedData;
  readonly load: (version: VersionId) => Promise<void>;
  /** Whether a version exists: a cast may name one that is yet to come. */
  readonly exists: (version: VersionId) => boolean;
  /** The server of that name. */
  readonly endpoint: (name: string) => Endpoint;
  /** Share of an evaluation that is done, for people. */
  readonly onProgress: (version: VersionId, share: number) => void;
}

export type Answered = BodyOf<'evaluation.answered'>;

/** One text to be judged, with the keys of its samples. */
interface Case {
  readonly prompt: string;
  readonly response: string;
  readonly keys: readonly RngKey[];
}

/** One answer to each held-out prompt, with the truth and both models' log-probs of it. */
export async function answerHeldOut(
  options: Measuring,
  version: VersionId,
  reference: VersionId | null,
): Promise<Answered[]> {
  const { config, world } = options;
  const { stop, through } = world.format;
  const asking = { sampling: config.evaluate.sampling, stop: stop.response, through };
  const { heldOut } = options.seedData();
  const rows = heldOut.map(({ id, prompt }) => ({
    prompt: chatPrompt(world.format, prompt),
    keys: [keys.heldOut(config.seed, id)],
  }));
  const outputs = (await sampleAll(options, version, asking, rows)).map(([one]) => one!);
  const own = reference ? await logprobsOf(options, version, rows, outputs) : [];
  const other = reference ? await logprobsOf(options, reference, rows, outputs) : [];
  return heldOut.map(({ id, prompt }, i) => ({
    version,
    id,
    prompt,
    generation: outputs[i]!,
    tokens: outputs[i]!.ids.length,
    truth: world.truth?.(prompt, outputs[i]!.text)?.score ?? null,
    selfScores: [],
    logprob: own[i] ?? null,
    referenceLogprob: other[i] ?? null,
  }));
}

/** Σ log p of each answer's tokens and its end, at temperature 1; null where it doesn't fit the context. */
async function logprobsOf(
  { load, model, world }: Measuring,
  by: VersionId,
  asked: readonly Prompted[],
  said: readonly Generation[],
): Promise<(number | null)[]> {
  await load(by);
  const reading = readingOf(model.tokenizer(by), world.format.through);
  const end = reading.endId === undefined ? [] : [reading.endId];
  const starts = asked.map(({ prompt }) => reading.prompt(prompt));
  const sequences = said.map(({ ids, finish }, i) => [
    ...starts[i]!,
    ...ids,
    ...(finish === 'stop' ? end : []),
  ]);
  const room = model.contextLength(by);
  const fits = sequences.map((ids) => ids.length <= room);
  const fitting = sequences.filter((_, i) => fits[i]);
  const scores = await model.score(by, fitting);
  let at = 0;
  return fits.map((fit, i) =>
    fit ? scores[at++]!.subarray(starts[i]!.length).reduce((a, b) => a + b, 0) : null,
  );
}

/** An answer as a case for the judge. */
export const caseOf = ({ config }: Measuring, { id, prompt, generation }: Answered): Case => ({
  prompt,
  response: generation.text,
  keys: Array.from({ length: config.evaluate.judgeSamples }, (_, sample) =>
    keys.selfScore(config.seed, id, 0, sample),
  ),
});

/** An implicit reward says nothing of another model's answers: the version itself judges in its stead, once, in writing. */
function writing(members: readonly JudgeMember[]): readonly JudgeMember[] {
  const rest = members.filter(({ player }) => player !== 'implicit');
  const live = rest.some(({ player }) => player === 'live');
  return rest.length === members.length || live ? rest : [{ player: 'live' }, ...rest];
}

/** What a server's answers have cost, said as it comes. */
export type Billing = (endpoint: string, usage: Usage) => void;

/** The verdicts of the cast judge on each case: what the loop believes of them. */
export async function benchScores(
  options: Measuring,
  { version, judge }: BodyOf<'evaluation.request'>,
  cases: readonly Case[],
  bill: Billing,
): Promise<Verdict[][]> {
  const t = /^M(\d+)$/.exec(version)?.[1];
  const verdicts: Verdict[][] = cases.map(() => []);
  for (const member of writing(membersOf(parseCast('judge', judge)))) {
    if (isModelCast(member) && member.player === 'endpoint') {
      const made = await judgeServed(servedJudge(options, member.name, bill), cases);
      for (const [i, own] of made.entries()) verdicts[i]!.push(...own);
    } else if (isModelCast(member)) {
      const cast = t === undefined ? version : versionFor(member, Number(t));
      const made = await judgeBy(options, options.exists(cast) ? cast : version, cases);
      for (const [i, own] of made.entries()) verdicts[i]!.push(...own.verdicts);
    } else {
      const player = castText(member);
      for (const [i, { prompt, response, keys }] of cases.entries())
        verdicts[i]!.push(scoreBy(options.world, player, prompt, response, keys[0]!));
    }
  }
  return verdicts;
}

const servedJudge = (
  { config, template, world, endpoint }: Measuring,
  name: string,
  bill: Billing,
): ServedJudge => ({
  server: endpoint(name),
  template,
  sampling: config.judge.sampling,
  stop: world.format.stop.judgement,
  ...throughOf(world.format),
  retries: config.flow.retries,
  bill: (usage) => bill(name, usage),
});

/** Judgements by one version, as the judge of the loop makes them. */
export async function judgeBy(options: Measuring, version: VersionId, cases: readonly Case[]) {
  const { config, template, world } = options;
  await options.load(version);
  const rows = cases.map(({ prompt, response, keys }) => ({
    prompt: judgePrompt(template, prompt, response),
    keys,
  }));
  const { stop, through } = world.format;
  const asking = { sampling: config.judge.sampling, stop: stop.judgement, through };
  const outputs = await sampleAll(options, version, asking, rows);
  return outputs.map((samples) => ({
    texts: samples.map(({ text }) => text),
    verdicts: samples.map(({ text }) => parseVerdict(text, template)),
  }));
}

export async function judgeProbes(
  options: Measuring,
  version: VersionId,
): Promise<BodyOf<'evaluation.judged'>[]> {
  const { config } = options;
  const probes = options
    .seedData()
    .probes.flatMap(({ id, prompt, responses }) =>
      responses.map(({ text, value }, index) => ({ group: id, prompt, index, response: text, value })),
    );
  const cases = probes.map(({ group, prompt, index, response }) => ({
    prompt,
    response,
    keys: Array.from({ length: config.evaluate.judgeSamples }, (_, sample) =>
      keys.probe(config.seed, group, index, sample),
    ),
  }));
  const made = await judgeBy(options, version, cases);
  return probes.map(({ group, index, value }, i) => ({ version, group, index, value, ...made[i]! }));
}

/** Batches of whole items, in order: the same for any number of workers. */
async function sampleAll(
  { model, config }: Measuring,
  version: VersionId,
  asking: Asking,
  items: readonly Prompted[],
): Promise<Generation[][]> {
  const batches = batchesOf(items, config.flow.batchRows);
  const outputs = await Promise.all(
    batches.map((batch) => sampleBatch(model, version, rowsOf(model, version, asking, batch))),
  );
  const flat = outputs.flat();
  let at = 0;
  return items.map(({ keys }) => keys.map(() => flat[at++]!));
}

function batchesOf<T extends { readonly keys: readonly unknown[] }>(
  rows: readonly T[],
  limit: number,
): T[][] {
  const batches: T[][] = [];
  let size = limit;
  for (const row of rows) {
    if (size + row.keys.length > limit) {
      batches.push([]);
      size = 0;
    }
    batches.at(-1)!.push(row);
    size += row.keys.length;
  }
  return batches;
}
