/**
 * Players that only give scores: the oracle (the world's true score), gold (whether the
 * answer is correct: full marks or none) and the controls, random and constant. None of
 * them writes a justification. An oracle has no score where the prompt has no truth; it never makes one up.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { RngKey } from '../protocol/lm.js';
import type { BodyOf, Envelope, Verdict } from '../protocol/messages.js';
import type { Addressee, Answer, Job, World } from '../protocol/ports.js';
import type { TrueScore } from '../protocol/records.js';
import { rngOf } from '../rng.js';

/** One score by one of the scoring players, named in shorthand. */
export function scoreBy(
  world: World,
  player: string,
  prompt: string,
  response: string,
  key: RngKey,
): Verdict {
  if (player === 'random') return { status: 'score', score: rngOf(key).below(6) };
  if (player.startsWith('constant:'))
    return { status: 'score', score: Number(player.slice('constant:'.length)) };
  if (!world.truth)
    throw new SoliloquyError(
      'cast.invalid',
      `the world ${world.name} knows no true score, so no ${player} can judge`,
      { fix: 'cast another judge' },
    );
  const truth = world.truth(prompt, response);
  if (!truth) return { status: 'unparseable', reason: 'the prompt has no truth' };
  return { status: 'score', score: player === 'gold' ? goldScore(truth) : truth.score };
}

/** The whole score of a correct answer, or nothing. */
const goldScore = ({ criteria }: TrueScore): number => (criteria.correct ? 5 : 0);

export function createScorer(world: World): Addressee {
  const waiting: Envelope[] = [];
  const answer = ({ seq, from, body }: Envelope): Answer => {
    const { id, player, prompt, items } = body as BodyOf<'score.request'>;
    const verdicts = items.map((item) => ({
      id: item.id,
      verdicts: item.keys.map((key) => scoreBy(world, player, prompt, item.text, key)),
    }));
    return { to: from, cause: seq, message: { type: 'score.result', body: { id, items: verdicts } } };
  };
  return {
    address: 'scorer',
    accept: (envelope) => waiting.push(envelope),
    nextJobs(): readonly Job[] {
      const asked = waiting.splice(0);
      if (asked.length === 0) return [];
      return [{ causes: asked.map(({ seq }) => seq), start: async () => asked.map(answer) }];
    },
  };
}
