/**
 * Measures a version on held-out prompts and the frozen probe bank, and has the SFT baseline make EFT where a world has
 * only ranked responses. An addressee: it uses the model, so all it saw goes on the log as facts, and its numbers are
 * computed from those facts alone (src/stages/metrics.ts).
 */
import { isModelCast, membersOf, parseCast, versionFor } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import { reasonOf } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { RngKey, Sampling } from '../src/protocol/lm.js';
import type { BodyOf, Envelope, Generation, Message, Verdict } from '../src/protocol/messages.js';
import type { Addressee, Answer, Job, LanguageModel, World } from '../src/protocol/ports.js';
import type { JudgeTemplate, SeedData } from '../src/protocol/records.js';
import { type Prompted, rowsOf, sampleBatch } from '../src/players/sampling.js';
import { scoreBy } from '../src/players/scorer.js';
import { justificationOf, meanScore, parseVerdict } from '../src/stages/judge.js';
import { keys } from '../src/stages/keys.js';
import { metricsOf } from '../src/stages/metrics.js';
import { evaluationsFrom } from '../src/stages/seed.js';
import { chatPrompt, judgePrompt } from '../src/stages/templates.js';

export interface EvaluatorOptions {
  readonly config: Config;
  readonly model: LanguageModel;
  readonly world: World;
  readonly template: JudgeTemplate;
  readonly seedData: () => SeedData;
  readonly load: (version: VersionId) => Promise<void>;
  /** Whether a version exists: a cast may name one that is yet to come. */
  readonly exists: (version: VersionId) => boolean;
  /** Share of an evaluation that is done, for people. */
  readonly onProgress: (version: VersionId, share: number) => void;
}

type Answered = BodyOf<'evaluation.answered'>;
type Fact = Answer['message'];

/** One text to be judged, with the keys of its samples. */
interface Case {
  readonly prompt: string;
  readonly response: string;
  readonly keys: readonly RngKey[];
}

export function createEvaluator(options: EvaluatorOptions): Addressee {
  const waiting: Envelope[] = [];
  const answers = new Map<VersionId, readonly Answered[]>();

  const answer = async ({ seq, from, type, body }: Envelope): Promise<readonly Answer[]> => {
    const version = (body as { version: VersionId }).version;
    try {
      const facts =
        type === 'eft.request'
          ? await makeEft(options, version)
          : await evaluate(options, body as BodyOf<'evaluation.request'>, answers);
      const last = facts.at(-1)!;
      return facts.map((message) => ({ to: message === last ? from : 'record', cause: seq, message }));
    } catch (error) {
      return [{ to: from, cause: seq, message: { type: 'evaluation.failed', body: { version, reason: reasonOf(error) } } }];
    }
  };
  return {
    address: 'evaluator',
    accept: (envelope) => waiting.push(envelope),
    startJobs: (): readonly Job[] => waiting.splice(0).map((envelope) => ({ answers: answer(envelope) })),
  };
}

/** All facts of one evaluation; the last is `evaluation.made`. `answers`: of the versions measured before; this one's are added. */
export async function evaluate(
  options: EvaluatorOptions,
  request: BodyOf<'evaluation.request'>,
  answers: Map<VersionId, readonly Answered[]>,
): Promise<readonly Message[]> {
  const { config, template } = options;
  const { version, against, reference } = request;
  await options.load(version);
  const progress = progressOf(options, version, 4 + against.length);
  const answered = await progress(answerHeldOut(options, version, reference));
  const own = await progress(benchScores(options, request, answered.map((a) => caseOf(options, a))));
  const complete = answered.map((one, i) => ({ ...one, selfScores: own[i]! }));
  const compared: BodyOf<'evaluation.compared'>[] = [];
  for (const other of against) {
    const theirs = answers.get(other) ?? [];
    const verdicts = await progress(benchScores(options, request, theirs.map((a) => caseOf(options, a))));
    theirs.forEach(({ id }, i) => compared.push({ version, against: other, id, verdicts: verdicts[i]! }));
  }
  const judged = await progress(judgeProbes(options, version));
  answers.set(version, complete);
  const before = new Map(against.map((other) => [other, answers.get(other) ?? []]));
  const { resamples, confidence } = config.evaluate;
  const metrics = metricsOf(
    { version, answered: complete, judged, compared, before },
    { seed: config.seed, resamples, confidence, maxScore: template.verdict.max },
  );
  return [
    ...complete.map((body): Fact => ({ type: 'evaluation.answered', body })),
    ...compared.map((body): Fact => ({ type: 'evaluation.compared', body })),
    ...judged.map((body): Fact => ({ type: 'evaluation.judged', body })),
    { type: 'evaluation.made', body: { version, metrics } },
  ];
}

function progressOf({ onProgress }: EvaluatorOptions, version: VersionId, parts: number) {
  let done = 0;
  onProgress(version, 0);
  return async <T>(part: Promise<T>): Promise<T> => {
    const result = await part;
    onProgress(version, Math.min(1, ++done / parts));
    return result;
  };
}

/** One answer to each held-out prompt, with the truth and both models' log-probs of it. */
async function answerHeldOut(options: EvaluatorOptions, version: VersionId, reference: VersionId | null): Promise<Answered[]> {
  const { config, model, world } = options;
  const { heldOut } = options.seedData();
  const stop = world.format.stop.response;
  const rows = heldOut.map(({ id, prompt }) => ({ prompt: chatPrompt(world.format, prompt), keys: [keys.heldOut(config.seed, id)] }));
  const outputs = (await sampleAll(options, version, config.evaluate.sampling, stop, rows)).map(([one]) => one!);
  const own = reference ? await logprobs(options, version, rows, outputs) : [];
  const other = reference ? await logprobs(options, reference, rows, outputs) : [];
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

  /** Σ log p of the answer's tokens and its end, at temperature 1. */
  async function logprobs({ load }: EvaluatorOptions, by: VersionId, asked: typeof rows, said: readonly Generation[]) {
    await load(by);
    const tokenizer = model.tokenizer(by);
    const end = tokenizer.eosIds.slice(0, 1);
    const starts = asked.map(({ prompt }) => tokenizer.encodePrompt(prompt));
    const sequences = said.map(({ ids, finish }, i) => [...starts[i]!, ...ids, ...(finish === 'stop' ? end : [])]);
    const room = model.contextLength(by);
    const fits = sequences.map((ids) => ids.length <= room);
    const scores = await model.score(by, sequences.filter((_, i) => fits[i]));
    let at = 0;
    return fits.map((fit, i) => (fit ? scores[at++]!.subarray(starts[i]!.length).reduce((a, b) => a + b, 0) : null));
  }
}

const caseOf = ({ config }: EvaluatorOptions, { id, prompt, generation }: Answered): Case => ({
  prompt,
  response: generation.text,
  keys: Array.from({ length: config.evaluate.judgeSamples }, (_, sample) => keys.selfScore(config.seed, id, 0, sample)),
});

/** The verdicts of the cast judge on each case: what the loop believes of them. */
async function benchScores(options: EvaluatorOptions, { version, judge }: BodyOf<'evaluation.request'>, cases: readonly Case[]): Promise<Verdict[][]> {
  const t = /^M(\d+)$/.exec(version)?.[1];
  const verdicts: Verdict[][] = cases.map(() => []);
  for (const member of membersOf(parseCast('judge', judge))) {
    if (isModelCast(member)) {
      const cast = t === undefined ? version : versionFor(member, Number(t));
      const made = await judgeBy(options, options.exists(cast) ? cast : version, cases);
      made.forEach((own, i) => verdicts[i]!.push(...own.verdicts));
    } else {
      const player = member.player === 'constant' ? `constant:${member.score}` : member.player;
      cases.forEach(({ prompt, response, keys: [key] }, i) => verdicts[i]!.push(scoreBy(options.world, player, prompt, response, key!)));
    }
  }
  return verdicts;
}

/** Judgements by one version, as the judge of the loop makes them. */
async function judgeBy(options: EvaluatorOptions, version: VersionId, cases: readonly Case[]) {
  const { config, template, world } = options;
  await options.load(version);
  const rows = cases.map(({ prompt, response, keys }) => ({ prompt: judgePrompt(template, prompt, response), keys }));
  const outputs = await sampleAll(options, version, config.judge.sampling, world.format.stop.judgement, rows);
  return outputs.map((samples) => ({
    texts: samples.map(({ text }) => text),
    verdicts: samples.map(({ text }) => parseVerdict(text, template)),
  }));
}

async function judgeProbes(options: EvaluatorOptions, version: VersionId): Promise<BodyOf<'evaluation.judged'>[]> {
  const { config } = options;
  const probes = options.seedData().probes.flatMap(({ id, prompt, responses }) =>
    responses.map(({ text, value }, index) => ({ group: id, prompt, index, response: text, value })),
  );
  const cases = probes.map(({ group, prompt, index, response }) => ({
    prompt,
    response,
    keys: Array.from({ length: config.evaluate.judgeSamples }, (_, sample) => keys.probe(config.seed, group, index, sample)),
  }));
  const made = await judgeBy(options, version, cases);
  return probes.map(({ group, index, value }, i) => ({ version, group, index, value, ...made[i]! }));
}

/** The SFT baseline judges ranked responses; what agrees with the human order becomes EFT (paper §2.1). */
async function makeEft(options: EvaluatorOptions, version: VersionId): Promise<readonly Message[]> {
  const { config, template } = options;
  const { ranked } = options.seedData();
  const cases = ranked.flatMap(({ id, prompt, responses }) =>
    responses.map(({ text }, index) => ({ prompt, response: text, keys: [keys.apprentice(config.seed, id, index)] })),
  );
  const made = await judgeBy(options, version, cases);
  let at = 0;
  const groups = ranked.map((group) => ({
    ...group,
    responses: group.responses.map((response) => {
      const { texts, verdicts } = made[at++]!;
      return { ...response, score: meanScore(verdicts).score, justification: justificationOf(texts[0] ?? '', template) };
    }),
  }));
  const { examples, leftOut } = evaluationsFrom(groups, keys.thin(config.seed));
  return [
    { type: 'eft.given', body: { rows: examples.map((row) => ({ ...row })) } },
    { type: 'eft.made', body: { kept: examples.length, leftOut: { ...leftOut } } },
  ];
}

/** Batches of whole items, in order: the same for any number of workers. */
async function sampleAll(
  { model, config }: EvaluatorOptions,
  version: VersionId,
  sampling: Sampling,
  stop: readonly string[],
  items: readonly Prompted[],
): Promise<Generation[][]> {
  const batches = batchesOf(items, config.flow.batchRows);
  const outputs = await Promise.all(batches.map((batch) => sampleBatch(model, version, rowsOf(model, version, sampling, stop, batch))));
  const flat = outputs.flat();
  let at = 0;
  return items.map(({ keys }) => keys.map(() => flat[at++]!));
}

function batchesOf<T extends { readonly keys: readonly unknown[] }>(rows: readonly T[], limit: number): T[][] {
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
