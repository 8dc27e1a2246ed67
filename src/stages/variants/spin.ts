/**
 * SPIN: Chen et al. 2024, "Self-Play Fine-Tuning Converts Weak Language Models to Strong Language Models", algorithm 1.
 * Chosen is the person's demonstration, rejected the newest version's own answer to the same prompt; the loss is DPO's (the
 * paper's logistic ℓ, λ = β) with that version as reference. No prompt is invented, no answer is judged.
 *
 * Departures:
 * - An iteration trains on its own answers alone; the paper's later iterations add those of the iteration before.
 * - Where the model says what the person said, or nothing, there is no pair (such a pair has no gradient).
 * - Iterations start from M1, which is trained on the same demonstrations and, unless eft is off, on EFT.
 * - Hyper-parameters are config.dpo's; answers are sampled as config.respond says, one a demonstration.
 */
import { type EpisodeId, type PairId, pairId, type VersionId } from '../../protocol/ids.js';
import type { BodyOf, SampleItem } from '../../protocol/messages.js';
import type { Demonstration, PromptFormat } from '../../protocol/records.js';
import { keys } from '../keys.js';
import { sameText } from '../respond.js';
import { byId } from '../seed.js';
import { chatPrompt } from '../templates.js';
import type { PreferenceText } from '../train.js';

export type DemonstrationAnswered = BodyOf<'demonstration.answered'>;

/** What the newest version is asked: each demonstration's prompt, once. */
export const itemsFor = (
  rows: readonly Demonstration[],
  format: PromptFormat,
  seed: number,
  version: VersionId,
): SampleItem[] =>
  rows.map(({ id, prompt }) => ({
    id,
    prompt: chatPrompt(format, prompt),
    keys: [[...keys.demonstrate(seed, version, id)]],
  }));

/** The facts in one result. */
export function answeredIn(
  { items }: BodyOf<'model.result'>,
  rows: readonly Demonstration[],
  iteration: number,
): DemonstrationAnswered[] {
  const byRow = new Map(rows.map((row) => [row.id, row]));
  return items.map(({ id, outputs }) => {
    const { prompt, response } = byRow.get(id)!;
    return {
      id: spinPair(iteration, id),
      iteration,
      prompt,
      demonstration: response,
      generation: outputs[0]!,
    };
  });
}

const spinPair = (iteration: number, demonstration: string): PairId =>
  pairId(`${iteration}-${demonstration}` as EpisodeId);

/** Preference rows by pair id. */
export const spinTexts = (
  answered: readonly DemonstrationAnswered[],
  format: PromptFormat,
): readonly PreferenceText[] =>
  answered
    .filter(({ demonstration, generation: { text } }) => text.trim() !== '' && !sameText(text, demonstration))
    .map(({ id, prompt, demonstration, generation: { text, version, key } }) => ({
      id,
      prompt: chatPrompt(format, prompt),
      chosen: demonstration,
      rejected: text,
      provenance: { chosen: { player: 'demonstration' }, rejected: { version, key } },
    }))
    .sort(byId);
