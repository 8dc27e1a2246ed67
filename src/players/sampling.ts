/**
 * From texts to rows and from outputs to what stands on the log: the one way in which roles and measurements sample.
 */
import type { VersionId } from '../protocol/ids.js';
import type { RngKey, SampleOutput, SampleRow, Sampling } from '../protocol/lm.js';
import type { Generation } from '../protocol/messages.js';
import type { LanguageModel } from '../protocol/ports.js';
import { readingOf, type Through } from '../stages/reading.js';

/** One prompt with the keys of its samples; samples of one prompt stand side by side and share its prefill. */
export interface Prompted {
  readonly prompt: string;
  readonly keys: readonly RngKey[];
}

/** What all prompts of a request share. */
export interface Asking {
  readonly sampling: Sampling;
  readonly stop: readonly string[];
  readonly through?: Through;
}

/** Rows of some prompts. A stop text that is no token of this model is skipped. */
export function rowsOf(
  model: LanguageModel,
  version: VersionId,
  { sampling, stop, through }: Asking,
  items: readonly Prompted[],
): SampleRow[] {
  const tokenizer = model.tokenizer(version);
  const reading = readingOf(tokenizer, through);
  const stopIds = [
    ...new Set([...reading.stopIds, ...stop.flatMap((text) => tokenizer.tokenId(text) ?? [])]),
  ];
  return items.flatMap(({ prompt, keys }) => {
    const promptIds = reading.prompt(prompt);
    return keys.map((key) => ({ promptIds, key, sampling, stopIds }));
  });
}

const NO_ROOM = { ids: [], logprob: 0, finish: 'no-room' } as const;

/** Samples a batch. A prompt that fills the model's context is not cut: its completion is empty and says `no-room`. */
export async function sampleBatch(
  model: LanguageModel,
  version: VersionId,
  rows: readonly SampleRow[],
): Promise<Generation[]> {
  const room = model.contextLength(version);
  const fitting = rows.filter(({ promptIds }) => promptIds.length > 0 && promptIds.length < room);
  const outputs = await model.sample(version, fitting);
  const byRow = new Map<SampleRow, SampleOutput>(fitting.map((row, i) => [row, outputs[i]!]));
  const tokenizer = model.tokenizer(version);
  return rows.map((row) => {
    const { ids, logprob, finish } = byRow.get(row) ?? NO_ROOM;
    return {
      text: tokenizer.decode(ids),
      ids: [...ids],
      logprob,
      finish,
      key: [row.key[0], row.key[1]],
      version,
    };
  });
}
