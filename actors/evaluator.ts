/**
 * Measures a version on held-out prompts and the frozen probe bank, and has the SFT baseline make EFT where a world has
 * only ranked responses. An addressee: it uses the model, so all it saw goes on the log as facts, and its numbers are
 * computed from those facts alone (src/stages/metrics.ts).
 */

import { isSoliloquyError, reasonOf } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { BodyOf, Envelope, Message, Usage, Verdict } from '../src/protocol/messages.js';
import type { Addressee, Answer, Job } from '../src/protocol/ports.js';
import { justificationOf, meanScore } from '../src/stages/judge.js';
import { keys } from '../src/stages/keys.js';
import { metricsOf } from '../src/stages/metrics.js';
import { evaluationsFrom } from '../src/stages/seed.js';
import { addUsage } from '../src/stages/usage.js';
import {
  type Answered,
  answerHeldOut,
  type Billing,
  benchScores,
  caseOf,
  judgeBy,
  judgeProbes,
  type Measuring,
} from './measuring.js';

type Fact = Answer['message'];
/** Answers to the held-out prompts, by version. */
export type Answers = ReadonlyMap<VersionId, readonly Answered[]>;

/** `answers`: of the versions measured so far, as they stand on the log. */
export function createEvaluator(options: Measuring, answers: Answers): Addressee {
  const waiting: Envelope[] = [];

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
      if (isSoliloquyError(error) && /^endpoint\.(away|refused)$/.test(error.code)) throw error; // the run stops, and can go on
      return [
        {
          to: from,
          cause: seq,
          message: { type: 'evaluation.failed', body: { version, reason: reasonOf(error) } },
        },
      ];
    }
  };
  return {
    address: 'evaluator',
    accept: (envelope) => waiting.push(envelope),
    nextJobs: (): readonly Job[] =>
      waiting.splice(0).map((envelope) => ({ causes: [envelope.seq], start: () => answer(envelope) })),
  };
}

/** All facts of one evaluation; the last is `evaluation.made`. `answers`: of the versions measured before. */
export async function evaluate(
  options: Measuring,
  request: BodyOf<'evaluation.request'>,
  answers: Answers,
): Promise<readonly Message[]> {
  const { config, template } = options;
  const { version, against, reference } = request;
  await options.load(version);
  const bills = new Map<string, Usage>();
  const bill: Billing = (name, usage) => bills.set(name, addUsage(bills.get(name), usage));
  const progress = progressOf(options, version, 4 + against.length);
  const answered = await progress(answerHeldOut(options, version, reference));
  const own = await progress(
    benchScores(
      options,
      request,
      answered.map((a) => caseOf(options, a)),
      bill,
    ),
  );
  const complete = answered.map((one, i) => ({ ...one, selfScores: own[i]! }));
  const compared: BodyOf<'evaluation.compared'>[] = [];
  for (const other of against) {
    const theirs = answers.get(other) ?? [];
    const verdicts = await progress(scoresBeside(options, request, complete, theirs, bill));
    for (const [i, { id }] of theirs.entries())
      compared.push({ version, against: other, id, verdicts: verdicts[i]! });
  }
  const judged = await progress(judgeProbes(options, version));
  const before = new Map(against.map((other) => [other, answers.get(other) ?? []]));
  const { resamples, confidence } = config.evaluate;
  const metrics = metricsOf(
    { version, answered: complete, judged, compared, before },
    { seed: config.seed, resamples, confidence, maxScore: template.verdict.max },
  );
  const billed = [...bills].map(
    ([endpoint, usage]): Fact => ({ type: 'evaluation.billed', body: { version, endpoint, usage } }),
  );
  return [
    ...complete.map((body): Fact => ({ type: 'evaluation.answered', body })),
    ...compared.map((body): Fact => ({ type: 'evaluation.compared', body })),
    ...judged.map((body): Fact => ({ type: 'evaluation.judged', body })),
    ...billed,
    { type: 'evaluation.made', body: { version, metrics } },
  ];
}

/** Verdicts on another version's answers. The same text under the same random numbers is not judged twice. */
async function scoresBeside(
  options: Measuring,
  request: BodyOf<'evaluation.request'>,
  own: readonly Answered[],
  theirs: readonly Answered[],
  bill: Billing,
): Promise<Verdict[][]> {
  const known = new Map(
    own.map(({ id, generation, selfScores }) => [`${id} ${generation.text}`, selfScores]),
  );
  const scoreOf = (a: Answered) => known.get(`${a.id} ${a.generation.text}`);
  const others = theirs.filter((a) => !scoreOf(a));
  const judged = await benchScores(
    options,
    request,
    others.map((a) => caseOf(options, a)),
    bill,
  );
  let at = 0;
  return theirs.map((a) => scoreOf(a) ?? judged[at++]!);
}

function progressOf({ onProgress }: Measuring, version: VersionId, parts: number) {
  let done = 0;
  onProgress(version, 0);
  return async <T>(part: Promise<T>): Promise<T> => {
    const result = await part;
    onProgress(version, Math.min(1, ++done / parts));
    return result;
  };
}

/** The SFT baseline judges ranked responses; what agrees with the human order becomes EFT (paper §2.1). */
async function makeEft(options: Measuring, version: VersionId): Promise<readonly Message[]> {
  const { config, template } = options;
  const { ranked } = options.seedData();
  const cases = ranked.flatMap(({ id, prompt, responses }) =>
    responses.map(({ text }, index) => ({
      prompt,
      response: text,
      keys: [keys.apprentice(config.seed, id, index)],
    })),
  );
  const made = await judgeBy(options, version, cases);
  let at = 0;
  const groups = ranked.map((group) => ({
    ...group,
    responses: group.responses.map((response) => {
      const { texts, verdicts } = made[at++]!;
      return {
        ...response,
        score: meanScore(verdicts).score,
        justification: justificationOf(texts[0] ?? '', template),
      };
    }),
  }));
  const { examples, leftOut } = evaluationsFrom(groups, keys.thin(config.seed));
  return [
    { type: 'eft.given', body: { rows: examples.map((row) => ({ ...row })) } },
    { type: 'eft.made', body: { kept: examples.length, leftOut: { ...leftOut } } },
  ];
}
