/**
 * One micro-batch forward and backward, by hand: embedding → layers → final norm → head → objective, and all the way
 * back. Only lines that predict a target go through the last layer's second half and the head. Sums are formed in a fixed order, so the same task gives
 * the same bits.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type AdapterSite,
  adapterSiteShape,
  type BranchSite,
  type DropoutSite,
  dropoutMask,
  type SiteShape,
} from '../dropout.js';
import type { GradientSums, GradientTask, SequenceRow } from '../engine.js';
import { taskSequences } from '../engine-rows.js';
import { type Layout, layOut } from '../layout.js';
import type { Adapter } from '../lora.js';
import type { AttentionSession } from './attention.js';
import { type BlockTrace, type BranchMasks, block, blockBackward } from './block.js';
import { embed, type Model } from './forward.js';
import { headBackward, headLogprobs } from './head.js';
import type { Into } from './linear.js';
import { takeLines } from './lines.js';
import { withAdapter } from './lora.js';
import { norm, normBackward } from './norm.js';
import { objective } from './objectives.js';
import type { Table } from './parameters.js';
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
  return {
    lines: Int32Array.from(lines),
    ids: Int32Array.from(ids),
    sequenceOf: Int32Array.from(sequenceOf),
  };
}

/** With an adapter: of its parameters alone. */
export function gradient(
  loaded: Model,
  task: GradientTask,
  into: Float32Array,
  adapter?: Adapter,
): GradientSums {
  into.fill(0);
  const own = adapter === undefined ? into : null;
  const model = adapter ? { ...loaded, parameters: withAdapter(loaded.parameters, adapter, into) } : loaded;
  const rows = taskSequences(task);
  // A sequence's last token predicts nothing that is asked for.
  const layout = layOut(
    rows.map((row) => row.ids.slice(0, -1)),
    model.attention.padded,
  );
  const targets = targetsOf(rows, layout);
  if (targets.ids.length === 0) return objective(task, new Float32Array(0), targets.sequenceOf).sums;
  const session = model.attention.begin(layout, 'trace');
  try {
    return freeing(() => {
      const { x, traces } = forwardTraced(model, layout, targets.lines, session, task, adapter);
      const { sums, dHidden } = lossAndSlope(model, task, targets, x, own);
      const dx = layersBackward(model, traces, session, dHidden, own);
      if (own !== null) embedBackward(model, layout, dx, own);
      return sums;
    });
  } finally {
    session.dispose();
  }
}

function masksOf(
  model: Model,
  layout: Layout,
  only: Int32Array | null,
  { keys, dropout }: GradientTask,
  adapterDropout: number,
  layer: number,
): BranchMasks {
  const { architecture } = model.parameters;
  const mask = (site: DropoutSite, rate: number, { width, late }: SiteShape) => {
    const all = tf.tensor2d(dropoutMask(layout, keys, rate, layer, site, width), [layout.total, width]);
    return only === null || !late ? all : takeLines(all, only);
  };
  const branch = (site: BranchSite) =>
    dropout === 0 ? null : mask(site, dropout, { width: architecture.hiddenSize, late: true });
  const given = (site: AdapterSite) => mask(site, adapterDropout, adapterSiteShape(architecture, site));
  const adapters =
    adapterDropout === 0
      ? null
      : {
          'to qkv': given('to qkv'),
          'to o': given('to o'),
          'to up': given('to up'),
          'to down': given('to down'),
        };
  return { attention: branch('attention'), mlp: branch('mlp'), adapters };
}

/** What one layer left behind for its backward pass; `only` as in block.ts. */
interface LayerTrace {
  readonly block: BlockTrace;
  readonly masks: BranchMasks;
  readonly only: Int32Array | null;
}

function forwardTraced(
  model: Model,
  layout: Layout,
  targetLines: Int32Array,
  session: AttentionSession,
  task: GradientTask,
  adapter: Adapter | undefined,
): { x: tf.Tensor2D; traces: LayerTrace[] } {
  const { parameters } = model;
  const traces: LayerTrace[] = [];
  let x = embed(layout, parameters);
  parameters.layers.forEach((layer, i) => {
    const only = i === parameters.layers.length - 1 ? targetLines : null;
    const masks = masksOf(model, layout, only, task, adapter?.lora.dropout ?? 0, i);
    const attend = (qkv: tf.Tensor2D) => session.forward(i, qkv);
    const out = tf.tidy(() => block(x, layer, parameters.architecture.rmsNormEps, attend, masks, only));
    traces.push({ block: out.trace, masks, only });
    x = out.y;
  });
  return { x, traces };
}

/** From the targets' hidden states [M, D] to the loss and back to them. */
function lossAndSlope(model: Model, task: GradientTask, targets: Targets, x: tf.Tensor2D, into: Into) {
  const { finalNorm, head, architecture } = model.parameters;
  return tf.tidy(() => {
    const { y, trace } = norm(x, finalNorm, architecture.rmsNormEps); // [M, D]
    const pass = headLogprobs(y.dataSync<'float32'>(), targets.ids, head, true);
    const { sums, slopes } = objective(task, pass.logprobs, targets.sequenceOf);
    const dy = tf.tensor2d(headBackward(pass, targets.ids, slopes, head, into), y.shape); // [M, D]
    return { sums: { ...sums }, dHidden: normBackward(trace, dy, finalNorm, into) };
  });
}

function layersBackward(
  model: Model,
  traces: readonly LayerTrace[],
  session: AttentionSession,
  dHidden: tf.Tensor2D,
  into: Into,
): tf.Tensor2D {
  let dx = dHidden;
  for (let i = traces.length - 1; i >= 0; i--) {
    const above = dx;
    const { block: trace, masks, only } = traces[i]!;
    const attendBackward = (dContext: tf.Tensor2D) => session.backward(i, dContext);
    dx = tf.tidy(() =>
      blockBackward(trace, above, model.parameters.layers[i]!, attendBackward, masks, only, into),
    );
    tf.dispose([above, trace, masks.attention ?? [], masks.mlp ?? [], { ...masks.adapters }]);
  }
  return dx;
}

/** Several lines may look up one token: added on the host, in line order. */
function embedBackward({ parameters }: Model, layout: Layout, dx: tf.Tensor2D, into: Float32Array): void {
  const values = dx.dataSync<'float32'>();
  const { embedding, positions } = parameters;
  tableBackward(embedding, layout.ids, layout, values, into);
  if (positions !== null) tableBackward(positions, layout.positions, layout, values, into);
}

function tableBackward(
  { parameter }: Table,
  places: Int32Array,
  layout: Layout,
  values: Float32Array,
  into: Float32Array,
): void {
  const size = parameter.shape[1]!;
  layout.starts.forEach((start, row) => {
    for (let line = start; line < start + layout.lengths[row]!; line++) {
      const to = parameter.offset + places[line]! * size;
      for (let i = 0; i < size; i++) into[to + i] = into[to + i]! + values[line * size + i]!;
    }
  });
}
