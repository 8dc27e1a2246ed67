/**
 * Verdicts of a judge behind a server, for measurements: asked as the judge of the loop asks, each case a question of its own, so
 * that the server is kept as busy as it may be. A case that it can't answer is asked again and then has no score, with the reason.
 */
import { stopsRun } from '../src/players/endpoint.js';
import { reasonOf } from '../src/protocol/errors.js';
import type { RngKey, Sampling } from '../src/protocol/lm.js';
import type { Usage, Verdict } from '../src/protocol/messages.js';
import type { Endpoint, EndpointAnswers } from '../src/protocol/ports.js';
import type { JudgeTemplate } from '../src/protocol/records.js';
import { parseVerdict } from '../src/stages/judge.js';
import { throughOf } from '../src/stages/reading.js';
import { judgePrompt } from '../src/stages/templates.js';

export interface ServedJudge {
  readonly server: Endpoint;
  readonly template: JudgeTemplate;
  readonly sampling: Sampling;
  readonly stop: readonly string[];
  readonly through?: 'chat';
  /** Of a question that failed. */
  readonly retries: number;
  /** What each answer has cost, in the order of the cases. */
  readonly bill: (usage: Usage) => void;
  readonly onCase?: () => void;
}

interface Case {
  readonly prompt: string;
  readonly response: string;
  readonly keys: readonly RngKey[];
}

/** One verdict for each key of each case. */
export async function judgeServed(judge: ServedJudge, cases: readonly Case[]): Promise<Verdict[][]> {
  const { template, bill, onCase } = judge;
  const told = await Promise.all(
    cases.map(async (one) => {
      const answers = await askFor(judge, one);
      onCase?.();
      return answers;
    }),
  );
  return told.map((answers, i) => {
    if (typeof answers === 'string')
      return cases[i]!.keys.map((): Verdict => ({ status: 'unparseable', reason: answers }));
    bill(answers.usage);
    return answers.outputs[0]!.map(({ text }) => parseVerdict(text, template));
  });
}

/** The answers, or why there are none. */
async function askFor(
  { server, template, sampling, stop, retries, ...rest }: ServedJudge,
  { prompt, response, keys }: Case,
): Promise<EndpointAnswers | string> {
  const items = [{ prompt: judgePrompt(template, prompt, response), keys }];
  for (let failures = 0; ; failures++)
    try {
      return await server.ask({ sampling, stop: [...stop], items, ...throughOf(rest) });
    } catch (error) {
      if (stopsRun(error)) throw error;
      if (failures === retries) return reasonOf(error);
    }
}
