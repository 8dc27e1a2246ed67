/**
 * One micro-batch forward and backward, by hand: embedding → layers → final norm → head → objective, and all the way
 * back. Only lines that predict a target go through the head. Sums are formed in a fixed order, so the same task gives
 * the same bits.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { RngKey } from '../../protocol/lm.js';
import type { GradientSums, GradientTask, SequenceRow } from '../engine.js';
import type { AttentionSession } from './attention.js';
import { type BlockTrace, type BranchMasks, block, blockBackward, NO_DROPOUT } from './block.js';
import { type DropoutSite, dropoutMask } from './dropout.js';
import { embed, type Model, takeLines } from './forward.js';
import { headBackward, headLogprobs } from './head.js';
import { type Layout, layOut } from './layout.js';
import { norm, normBackward } from './norm.js';
import { objective, sequencesOf } from './objectives.js';
import { freeing } from './scope.js';

interface Targets {
  /** Line whose hidden state predicts the target. */
  readonly lines: Int32Array;
  readonly ids: Int32Array;
  readonly sequenceOf: Int32Array;
}

function targetsOf(rows: readonly SequenceRow[], layout: Layout): Targets {
  const lines: number[] = [];
  const ids: number[] = [];
  const sequenceOf: number[] = [];
  rows.forEach((row, sequence) => {
    for (let t = Math.max(1, row.targetStart); t < row.ids.length; t++) {
      lines.push(layout.starts[sequence]! + t - 1);
      ids.push(row.ids[t]!);
      sequenceOf.push(sequence);
    }
  });
  return { lines: Int32Array.from(lines), ids: Int32Array.from(ids), sequenceOf: Int32Array.from(sequenceOf) };
}

export function gradient(model: Model, task: GradientTask, into: Float32Array): GradientSums {
  into.fill(0);
  const rows = sequencesOf(task);
  // A sequence's last token predicts nothing that is asked for.
  const layout = layOut(rows.map((row) => row.ids.slice(0, -1)), model.attention.padded);
  const targets = targetsOf(rows, layout);
  if (targets.ids.length === 0) return objective(task, new Float32Array(0), targets.sequenceOf).sums;
  const session = model.attention.begin(layout, 'trace');
  try {
    return freeing(() => {
      const { x, traces } = forwardTraced(model, layout, session, task);
      const { sums, dHidden } = lossAndSlope(model, task, targets, x, into);
      const dx = layersBackward(model, traces, session, dHidden, into);
      embedBackward(model, layout, dx, into);
      return sums;
    });
  } finally {
    session.dispose();
  }
}

function masksOf(model: Model, layout: Layout, keys: readonly RngKey[], rate: number, layer: number): BranchMasks {
  if (rate === 0) return NO_DROPOUT;
  const size = model.parameters.architecture.hiddenSize;
  const mask = (site: DropoutSite) =>
    tf.tensor2d(dropoutMask(layout, keys, rate, layer, site, size), [layout.total, size]);
  return { attention: mask('attention'), mlp: mask('mlp') };
}

/** What one layer left behind for its backward pass. */
interface LayerTrace {
  readonly block: BlockTrace;
  readonly masks: BranchMasks;
}

function forwardTraced(model: Model, layout: Layout, session: AttentionSession, task: GradientTask) {
  const { parameters } = model;
  const traces: LayerTrace[] = [];
  let x = embed(layout.ids, parameters);
  parameters.layers.forEach((layer, i) => {
    const masks = masksOf(model, layout, task.keys, task.dropout, i);
    const attend = (qkv: tf.Tensor2D) => session.forward(i, qkv);
    const out = tf.tidy(() => block(x, layer, parameters.architecture.rmsNormEps, attend, masks));
    traces.push({ block: out.trace, masks });
    x = out.y;
  });
  return { x, traces };
}

/** From the hidden states [N, D] to the loss and back to them. */
function lossAndSlope(model: Model, task: GradientTask, targets: Targets, x: tf.Tensor2D, into: Float32Array) {
  const { finalNorm, head, architecture } = model.parameters;
  return tf.tidy(() => {
    const { y, trace } = norm(takeLines(x, targets.lines), finalNorm, architecture.rmsNormEps); // [M, D]
    const pass = headLogprobs(y.dataSync<'float32'>(), targets.ids, head, true);
    const { sums, slopes } = objective(task, pass.logprobs, targets.sequenceOf);
    const dy = tf.tensor2d(headBackward(pass, targets.ids, slopes, head, into), y.shape); // [M, D]
    const dTaken = normBackward(trace, dy, finalNorm, into).dataSync<'float32'>();
    const size = x.shape[1];
    const dx = new Float32Array(x.size);
    targets.lines.forEach((line, i) => dx.set(dTaken.subarray(i * size, (i + 1) * size), line * size));
    return { sums: { ...sums }, dHidden: tf.tensor2d(dx, x.shape) };
  });
}

function layersBackward(
  model: Model,
  traces: readonly LayerTrace[],
  session: AttentionSession,
  dHidden: tf.Tensor2D,
  into: Float32Array,
): tf.Tensor2D {
  let dx = dHidden;
  for (let i = traces.length - 1; i >= 0; i--) {
    const above = dx;
    const { block: trace, masks } = traces[i]!;
    const attendBackward = (dContext: tf.Tensor2D) => session.backward(i, dContext);
    dx = tf.tidy(() => blockBackward(trace, above, model.parameters.layers[i]!, attendBackward, masks, into));
    tf.dispose([above, trace, ...Object.values(masks).filter((mask) => mask !== null)]);
  }
  return dx;
}

/** Several lines may look up one token: added on the host, in line order. */
function embedBackward({ parameters }: Model, layout: Layout, dx: tf.Tensor2D, into: Float32Array): void {
  const size = parameters.architecture.hiddenSize;
  const { offset } = parameters.embedding.parameter;
  const values = dx.dataSync<'float32'>();
  layout.starts.forEach((start, row) => {
    for (let line = start; line < start + layout.lengths[row]!; line++) {
      const to = offset + layout.ids[line]! * size;
      for (let i = 0; i < size; i++) into[to + i] = into[to + i]! + values[line * size + i]!;
    }
  });
}
