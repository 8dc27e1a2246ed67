/**
 * How much arithmetic a model's work needs at least, whoever does it and however: the numerator of "utilisation", which is
 * FLOPs / time / measured sgemm peak. Counted are matrix products only, a multiply-add as 2:
 *   a token through the blocks      2 × linear weights of all layers
 *   its attention, t tokens in view 4 × t × heads × headDim × layers   (q·k and p·v)
 *   the head                        2 × vocabulary × width, only where a token is drawn or learned
 * Training is 3 × the forward pass (the backward pass is twice the forward one), each sequence for itself: chosen and rejected
 * count their common prompt twice. Norms, softmax, top-p, the optimizer and padding count as nothing: they lower it.
 */
import { type Architecture, TRAITS } from '../src/lm/architecture.js';

const blockFlops = (a: Architecture): number => {
  const attention = a.hiddenSize * a.headDim * (2 * a.heads + 2 * a.kvHeads);
  const mlp = (TRAITS[a.family].gated ? 3 : 2) * a.hiddenSize * a.intermediateSize;
  return 2 * a.layers * (attention + mlp);
};

const headFlops = (a: Architecture): number => 2 * a.vocabSize * a.hiddenSize;

/** One sequence of `tokens` through the blocks, the head at `heads` of its places, after `past` tokens in the cache. */
export function forwardFlops(a: Architecture, tokens: number, heads: number, past = 0): number {
  const seen = tokens * past + (tokens * (tokens + 1)) / 2;
  return tokens * blockFlops(a) + 4 * seen * a.heads * a.headDim * a.layers + heads * headFlops(a);
}

/**
 * `copies` answers of `fresh` tokens to one prompt. Its prefill counts once, whoever shares it or not: sharing then shows as
 * utilisation, as it should. The last token drawn goes through no block any more.
 */
export const samplingFlops = (a: Architecture, prompt: number, copies: number, fresh: number): number =>
  forwardFlops(a, prompt, 1) + copies * forwardFlops(a, fresh - 1, fresh - 1, prompt);

/** A step over `sequences` of `length` tokens that learn all from `targetStart` on; the last token is only a target. */
export const trainingFlops = (
  a: Architecture,
  sequences: number,
  length: number,
  targetStart: number,
): number => 3 * sequences * forwardFlops(a, length - 1, length - targetStart);
