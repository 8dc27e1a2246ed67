/**
 * Temporal Self-Rewarding: Wang et al. 2025, "Temporal Self-Rewarding Language Models: Decoupling Chosen-Rejected via Past-Future".
 * Anchored rejection: the rejected answer of a pair is the worst of a past model, the chosen the best of the newest. Future-guided
 * chosen: a temporary next version is trained on those pairs and answers the same prompts; where its best answer is judged
 * better than the chosen, it takes its place. On the pairs that stand then the newest version is trained again, by plain DPO.
 *
 * Departures:
 * - The past model is config.temporal.anchor, M1 by default: the paper's is its initial one, trained on the same seed data. In
 *   iteration 1 that is the newest version itself, whose answers are then both pools, as in the paper.
 * - The future's answers are judged by the version that judged the others, k times; a prompt without a pair in the first phase gets
 *   none in the second.
 * - No pair where the newest version's best is not judged better than the past's worst.
 * - The past model and the future one answer as often as the newest (config.respond.candidates); N each, not N in all.
 * - The paper does fewer iterations for the same compute; here each costs one more training and twice to three times the answers.
 */
import { type VersionId, versionId } from '../../protocol/ids.js';
import { EQUAL, type Pairing, type ScoredCandidate, withheld } from '../pair.js';
import { sameText } from '../respond.js';

/** The temporary version of an iteration that makes `to`. */
export const futureOf = (to: VersionId): VersionId => versionId(`${to}-future`);

interface Pools<C> {
  readonly present: readonly C[];
  readonly past: readonly C[];
}

/** Where all answers are the anchor's, they are both pools. */
export function poolsOf<C extends { readonly version: VersionId }>(
  candidates: readonly C[],
  anchor: VersionId,
): Pools<C> {
  const past = candidates.filter(({ version }) => version === anchor);
  const present = candidates.filter(({ version }) => version !== anchor);
  return { past, present: present.length > 0 ? present : past };
}

type Scored<C> = C & { readonly score: number };
const scoredIn = <C extends ScoredCandidate>(pool: readonly C[]) =>
  pool.filter((one): one is Scored<C> => one.score !== null && one.text.trim() !== '');

/** The best of the present against the worst of the past; the first among equals. */
export function anchoredPairOf<C extends ScoredCandidate>({ present, past }: Pools<C>): Pairing<C> {
  const answers = new Set([...present, ...past]).size;
  if (answers < 2) return withheld('too-few', `${answers} usable answers`);
  const good = scoredIn(present);
  if (good.length === 0 || scoredIn(past).length === 0)
    return withheld(
      'unparseable',
      `${good.length} of ${present.length} present and ${scoredIn(past).length} of ${past.length} past answers have a readable judgement`,
    );
  const chosen = good.reduce((best, next) => (next.score > best.score + EQUAL ? next : best));
  const others = scoredIn(past).filter(({ text }) => !sameText(text, chosen.text));
  if (others.length === 0) return withheld('too-few', 'the past model says the same as the newest');
  const rejected = others.reduce((worst, next) => (next.score < worst.score - EQUAL ? next : worst));
  return chosen.score > rejected.score + EQUAL
    ? { status: 'pair', chosen, rejected }
    : withheld(
        'tie',
        `the best present answer has score ${chosen.score}, the worst past one ${rejected.score}`,
      );
}

/** The chosen answer, or the future's best where that is better. */
export function futureGuided<C extends ScoredCandidate>(
  chosen: Scored<C>,
  rejected: Scored<C>,
  future: readonly C[],
): { readonly chosen: Scored<C>; readonly by: 'present' | 'future' } {
  const best = scoredIn(future)
    .filter(({ text }) => !sameText(text, rejected.text))
    .reduce((a, b) => (b.score > a.score + EQUAL ? b : a), chosen);
  return { chosen: best, by: best === chosen ? 'present' : 'future' };
}
