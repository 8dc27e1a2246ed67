/** Per-token log-probabilities of whole sequences. */

import { type Layout, layOut } from '../layout.js';
import { hiddenStates, type Model } from './forward.js';
import { headLogprobs } from './head.js';
import { norm } from './norm.js';
import { freeing } from './scope.js';

/** Lines of one forward pass, so that memory stays bounded. */
const MAX_LINES = 8192;

export function score(model: Model, sequences: readonly (readonly number[])[]): Float32Array[] {
  const out: Float32Array[] = [];
  for (let from = 0; from < sequences.length; ) {
    let to = from;
    let lines = 0;
    while (to < sequences.length && (to === from || lines + sequences[to]!.length <= MAX_LINES)) {
      lines += sequences[to++]!.length;
    }
    out.push(...scoreBatch(model, sequences.slice(from, to)));
    from = to;
  }
  return out;
}

function scoreBatch(model: Model, sequences: readonly (readonly number[])[]): Float32Array[] {
  const out = sequences.map((ids) => new Float32Array(ids.length).fill(Number.NaN, 0, 1));
  const layout = layOut(
    sequences.map((ids) => ids.slice(0, -1)),
    model.attention.padded,
  );
  if (layout.total === 0) return out;
  const targets = new Int32Array(layout.total); // 0 on padding: computed, never read
  sequences.forEach((ids, row) => {
    targets.set(ids.slice(1), layout.starts[row]!);
  });
  const logprobs = lineLogprobs(model, layout, targets);
  layout.lengths.forEach((length, row) => {
    const start = layout.starts[row]!;
    if (length > 0) out[row]!.set(logprobs.subarray(start, start + length), 1);
  });
  return out;
}

function lineLogprobs(model: Model, layout: Layout, targets: Int32Array): Float32Array {
  const { parameters, attention } = model;
  const session = attention.begin(layout, 'nothing');
  try {
    return freeing(() => {
      const x = hiddenStates(layout, model, (layer) => (qkv) => session.forward(layer, qkv));
      const { y } = norm(x, parameters.finalNorm, parameters.architecture.rmsNormEps); // [N, D]
      return headLogprobs(y.dataSync<'float32'>(), targets, parameters.head, false).logprobs;
    });
  } finally {
    session.dispose();
  }
}
