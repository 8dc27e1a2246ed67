/**
 * What the trainer asks and announces: the job of a version, the demonstrations' answers (SPIN), a temporary next version and the
 * pairs that it may change (Temporal Self-Rewarding). Owns the words, not when they are said: that is trainer.ts.
 */
import type { EpisodeId, PairId, VersionId } from '../src/protocol/ids.js';
import type { Sampling } from '../src/protocol/lm.js';
import type { Address, BodyOf, Received } from '../src/protocol/messages.js';
import type { Demonstration, PromptFormat } from '../src/protocol/records.js';
import { keys } from '../src/stages/keys.js';
import { type PlanOptions, planOf } from '../src/stages/plan.js';
import { throughOf } from '../src/stages/reading.js';
import { itemsFor } from '../src/stages/variants/spin.js';
import { futureOf } from '../src/stages/variants/temporal-self-rewarding.js';
import { type Said, say } from './machine.js';

export interface TrainerInput extends PlanOptions {
  readonly seed: number;
  /** Of `spin`: how the demonstrations' prompts are answered. */
  readonly spin?: {
    readonly sampling: Sampling;
    readonly format: PromptFormat;
    readonly retries: number;
  };
  /** Credit goes back in lots of so many closed episodes. */
  readonly creditLot: number;
  readonly retries: number;
}

export type Request = BodyOf<'training.request'>;

/** What the trainer knows of the version to be made. */
interface Work {
  readonly input: TrainerInput;
  readonly request: Request | null;
  readonly consistencies: Readonly<Record<string, number>>;
}

export function order({ input, request, consistencies }: Work): Said {
  const { stage, to } = request!;
  return say('model', 'model.train', {
    stage,
    to,
    ...planOf(input, request!, consistencies),
    key: [...keys.train(input.seed, to)] as [number, number],
  });
}

export const askDemonstrations = ({ request }: Work, offset: number): Said =>
  say('world', 'demonstrations.request', { iteration: request!.iteration, offset });

export function askAnswers({ input, request }: Work, id: string, rows: readonly Demonstration[]): Said {
  const { sampling, format } = input.spin!;
  const { from } = request!;
  return say('model', 'model.request', {
    id,
    version: from,
    sampling: { ...sampling },
    stop: [...format.stop.response],
    ...throughOf(format),
    items: itemsFor(rows, format, input.seed, from),
  });
}

export function announce(
  { input, request }: Work,
  { body }: Extract<Received, { type: 'model.trained' }>,
  to: Address = 'coordinator',
): Said {
  const { stage, iteration, judge } = request!;
  const { datasets, objective, reference: other } = planOf(input, request!, {});
  const reference: VersionId | null = objective === 'dpo' ? (other ?? body.from) : null;
  const { to: version, from, weightsHash, dataHash, rows, tooLong, adapter } = body;
  return say(to, 'version.made', {
    version,
    from,
    reference,
    stage,
    iteration,
    weightsHash,
    datasets,
    dataHash,
    rows,
    tooLong,
    judge: stage === 'iteration' || stage === 'future' ? judge : null,
    ...(adapter && { adapter }),
  });
}

/** The temporary version on the way to the one that is asked for. */
export const foreseen = (request: Request): Request => ({
  ...request,
  stage: 'future',
  to: futureOf(request.to),
});

export const reviseAll = ({ iteration, to: version }: Request, paired: readonly PairId[]): readonly Said[] =>
  paired.map((id) => say(`episode:${id as string as EpisodeId}`, 'pair.revise', { id, iteration, version }));
