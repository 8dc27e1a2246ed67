/** Per-token log-probabilities of whole sequences. */
import { PASS_LINES, PASS_LOGITS } from '../memory-estimate.js';
import type { Model } from './compiled.js';
import { WIDTH_STEP } from './kv-cache.js';
import { arrange, arrangementFeeds } from './lines.js';
import { floatsOf } from './session.js';

export async function score(
  model: Model,
  sequences: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const out = sequences.map((ids) => new Float32Array(ids.length).fill(Number.NaN, 0, 1));
  // Like lengths stand together; what a sequence gets does not depend on it.
  const order = sequences.flatMap((ids, i) => (ids.length > 1 ? [i] : []));
  order.sort((a, b) => sequences[b]!.length - sequences[a]!.length || a - b);
  // So that memory stays bounded.
  const lines = Math.min(PASS_LINES, PASS_LOGITS / model.compiled.architecture.vocabSize);
  while (order.length > 0) {
    const count = Math.max(1, Math.floor(lines / widthOf(sequences[order[0]!]!.length)));
    const places = order.splice(0, count);
    const scored = await scoreBatch(
      model,
      places.map((place) => sequences[place]!),
    );
    places.forEach((place, i) => {
      out[place]!.set(scored[i]!, 1);
    });
  }
  return out;
}

/** Softmax adds in one order at any such width. */
const widthOf = (length: number): number => Math.ceil((length - 1) / WIDTH_STEP) * WIDTH_STEP;

/** Sequences of at least two tokens, the longest first → log p of all tokens but the first. */
async function scoreBatch(model: Model, sequences: readonly (readonly number[])[]): Promise<Float32Array[]> {
  const arrangement = arrange(
    sequences.map((ids) => ({ ids, targetStart: 1 })),
    widthOf(sequences[0]!.length),
  );
  const { targets } = arrangement;
  // A matrix of one line takes another path through onnxruntime, with other rounding.
  const asked =
    targets.lines.length > 1
      ? targets
      : { ...targets, lines: Int32Array.of(0, 0), ids: Int32Array.of(targets.ids[0]!, targets.ids[0]!) };
  const session = await model.compiled.score();
  const { tops } = await session.run({
    ...model.parameters(),
    ...arrangementFeeds(model.compiled, { ...arrangement, targets: asked }),
  });
  const values = floatsOf(tops);
  let line = 0;
  return sequences.map((ids) =>
    Float32Array.from({ length: ids.length - 1 }, () => {
      const at = 3 * line++; // logit, top, its probability
      return values[at]! - values[at + 1]! + Math.log(values[at + 2]!);
    }),
  );
}
