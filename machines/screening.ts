/**
 * What the generator makes of the answers to its asks: prompts made, filtered or failed, strictly in the order of the asks,
 * whichever answer comes first. Pure; the filters stand in src/stages/invent.ts.
 */
import { episodeId } from '../src/protocol/ids.js';
import type { BodyOf } from '../src/protocol/messages.js';
import type { PromptFormat } from '../src/protocol/records.js';
import { cleanPrompt, type PromptRules, refusalOf } from '../src/stages/invent.js';
import { extended, knownIn, type PromptPool } from '../src/stages/prompt-pool.js';
import { type Said, say, without } from './machine.js';

/** One invention attempt; its episode has the ask's number. */
export interface Ask {
  readonly ask: number;
  readonly shots: readonly string[];
}

/** Outputs, or the reason why there never will be any. */
type Outcome = BodyOf<'model.result'>['items'] | string;

interface Open {
  readonly asks: readonly Ask[];
  readonly attempt: number;
  /** Null: not come yet. What has come waits until all earlier asks are screened. */
  readonly outcome: Outcome | null;
}

/** Where the asks of the running iteration stand. */
export interface Screening {
  readonly pool: PromptPool;
  readonly answered: number;
  readonly filtered: number;
  readonly failed: number;
  /** Requests whose asks aren't screened yet, in the order of their asks. */
  readonly open: Readonly<Record<string, Open>>;
}

interface Criteria {
  readonly rules: PromptRules;
  readonly format: PromptFormat;
}

type Step = { readonly change: Screening; readonly said: readonly Said[] };

/** Turns one request's outputs into prompts made or filtered; each episode hears of its own. */
function screen(
  before: Screening,
  iteration: number,
  { rules, format }: Criteria,
  asks: readonly Ask[],
  items: BodyOf<'model.result'>['items'],
): Step {
  let { pool, filtered } = before;
  const said = items.map(({ outputs }, i) => {
    const { ask, shots } = asks[i]!;
    const generation = outputs[0]!;
    const episode = episodeId(iteration, ask);
    const prompt = cleanPrompt(generation.text, format);
    const refusal = refusalOf(prompt, rules, knownIn(pool));
    const common = { episode, iteration, prompt, shots: [...shots], generation };
    if (refusal) filtered++;
    else pool = extended(pool, prompt);
    return refusal
      ? say(`episode:${episode}`, 'prompt.filtered', { ...common, ...refusal })
      : say(`episode:${episode}`, 'prompt.made', common);
  });
  return { change: { ...before, pool, filtered }, said };
}

function fail(before: Screening, iteration: number, asks: readonly Ask[], reason: string): Step {
  const said = asks.map(({ ask }) => {
    const episode = episodeId(iteration, ask);
    return say(`episode:${episode}`, 'prompt.failed', { episode, iteration, reason });
  });
  return { change: { ...before, failed: before.failed + asks.length }, said };
}

/** Notes an outcome, then screens what has come, in the order of the asks: whoever was first keeps a prompt. */
export function settle(
  context: Screening & { readonly input: Criteria },
  iteration: number,
  id: string,
  outcome: Outcome,
): Step {
  const { input, pool, answered, filtered, failed } = context;
  const said: Said[] = [];
  const open = { ...context.open, [id]: { ...context.open[id]!, outcome } };
  let change: Screening = { pool, answered, filtered, failed, open };
  for (const [next, { asks, outcome: come }] of Object.entries(open)) {
    if (come === null) break;
    const step =
      typeof come === 'string'
        ? fail(change, iteration, asks, come)
        : screen(change, iteration, input, asks, come);
    said.push(...step.said);
    change = { ...step.change, answered: change.answered + asks.length, open: without(change.open, next) };
  }
  return { change, said };
}
