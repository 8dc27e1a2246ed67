/**
 * Owns: which judgements a result holds, each with its seat: a model's are read from what it wrote, a scorer's and the implicit
 * reward's come as numbers. PAPER.md, "Self-instruction creation" 3.
 */
import type { MessageOf } from '../protocol/messages.js';
import type { JudgeTemplate } from '../protocol/records.js';
import { type Judged, judgedOf, type Seat } from './bench.js';
import { parseVerdict } from './judge.js';
import { rewardsIn } from './variants/cream.js';

/** What answers a judge's request. */
export type Result = MessageOf<'model.result' | 'score.result' | 'likelihood.result'>;

export function judgementsIn(
  template: JudgeTemplate,
  seats: readonly Seat[],
  result: Result,
): readonly Judged[] {
  switch (result.type) {
    case 'score.result': {
      const scored = result.body.items.map(({ id, verdicts }) => ({
        id,
        made: verdicts.map((verdict) => ({ verdict, generation: null })),
      }));
      return judgedOf(seats, scored);
    }
    case 'likelihood.result':
      return judgedOf(seats, rewardsIn(result.body));
    case 'model.result': {
      const written = result.body.items.map(({ id, outputs }) => ({
        id,
        made: outputs.map((generation) => ({ verdict: parseVerdict(generation.text, template), generation })),
      }));
      return judgedOf(seats, written);
    }
    default:
      return result satisfies never;
  }
}
