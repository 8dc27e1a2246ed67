/**
 * One micro-batch through the train graph. What onnxruntime's scatter would race for (two tokens that share a row of the
 * embedding) is added up here, line by line, so the same task gives the same bits.
 */

import type { LoraConfig, PairRecipe } from '../../protocol/lm.js';
import { type Architecture, EMBEDDING, POSITIONS, parametersOf } from '../architecture.js';
import {
  ADAPTER_SITES,
  adapterSiteShape,
  type BranchSite,
  type DropoutSite,
  dropoutMask,
  type SiteShape,
} from '../dropout.js';
import type { GradientSums, GradientTask } from '../engine.js';
import { taskSequences } from '../engine-rows.js';
import { layOut } from '../layout.js';
import type { Adapter } from '../lora.js';
import { ipoTarget, likelihoodWeights, PLAIN, pairLoss } from '../pair-loss.js';
import type { Model } from './compiled.js';
import { type Arrangement, arrange, arrangementFeeds, arrangePairs, type Targets } from './lines.js';
import { adapterTensors, maskName } from './lora-graph.js';
import { type Feeds, float32, floatsOf } from './session.js';
import { EMBEDDED, gradientOf, isPaired, type TrainGraphKind } from './train-graph.js';

const scalar = (value: number) => float32(Float32Array.of(value), []);

export async function gradient(
  model: Model,
  task: GradientTask,
  into: Float32Array,
  adapter?: Adapter,
): Promise<GradientSums> {
  const { compiled } = model;
  const { architecture } = compiled;
  const rows = taskSequences(task);
  // With dropout the two sides of a pair see their beginning through different masks.
  const kind: TrainGraphKind = {
    objective: task.objective,
    dropout: task.dropout > 0,
    ...(task.objective === 'dpo' && task.recipe ? { loss: task.recipe.loss } : {}),
    ...(adapter ? { lora: adapter.lora } : {}),
  };
  const paired = isPaired(kind);
  const arrangement = paired ? arrangePairs(rows, architecture.heads > architecture.kvHeads) : arrange(rows);
  const { targets } = arrangement;
  if (targets.ids.length === 0) return nothing(task, into);
  const session = await compiled.train(kind);
  const out = await session.run({
    ...model.parameters(),
    ...arrangementFeeds(compiled, arrangement),
    ...objectiveFeeds(task, targets),
    ...maskFeeds(model, task, targets, adapter?.lora.dropout ?? 0),
    ...(adapter ? adapterFeeds(architecture, adapter) : {}),
    seed: scalar(1 / task.scale),
  });
  if (adapter) collectAdapter(architecture, adapter.lora, out, into);
  else collect(architecture, arrangement, out, into);
  return sumsOf(floatsOf(out.loss)[0]!, out.margins === undefined ? [] : [...floatsOf(out.margins)]);
}

/** Every parameter's gradient into its place. */
function collect(architecture: Architecture, arrangement: Arrangement, out: Feeds, into: Float32Array): void {
  for (const { name, offset, size } of parametersOf(architecture)) {
    const slopes = out[gradientOf(name)];
    if (slopes === undefined) into.fill(0, offset, offset + size);
    else into.set(floatsOf(slopes), offset);
    const rows = name === EMBEDDING ? arrangement.ids : name === POSITIONS ? arrangement.positions : null;
    if (rows) addRows(into, offset, floatsOf(out[gradientOf(EMBEDDED)]), rows, architecture.hiddenSize);
  }
}

function collectAdapter(architecture: Architecture, lora: LoraConfig, out: Feeds, into: Float32Array): void {
  for (const { name, offset } of adapterTensors(architecture, lora))
    into.set(floatsOf(out[gradientOf(name)]), offset);
}

/** A copy: onnxruntime takes no view on shared memory. */
function adapterFeeds(architecture: Architecture, { lora, data }: Adapter): Feeds {
  const own = data.slice();
  return Object.fromEntries(
    adapterTensors(architecture, lora).map(({ name, shape, offset }) => {
      const [rows, columns] = shape;
      return [name, float32(own.subarray(offset, offset + rows * columns), [rows, columns])];
    }),
  );
}

const sumsOf = (loss: number, margins: readonly number[]): GradientSums => ({
  loss,
  positive: margins.filter((margin) => margin > 0).length,
  margin: margins.reduce((sum, margin) => sum + margin, 0),
});

/** No target at all: log-probs are sums of nothing. */
function nothing(task: GradientTask, into: Float32Array): GradientSums {
  into.fill(0);
  if (task.objective === 'sft') return sumsOf(0, []);
  const { beta, recipe = PLAIN } = task;
  const margins = task.pairs.map((pair) => pair.referenceRejected - pair.referenceChosen);
  return sumsOf(
    margins.reduce((sum, h) => sum + pairLoss(h, beta, recipe).loss, 0),
    margins.map((h) => beta * h),
  );
}

function objectiveFeeds(task: GradientTask, { sequenceOf }: Targets): Feeds {
  if (task.objective === 'sft') return {};
  const { pairs, beta } = task;
  const count = sequenceOf.length;
  const members = new Float32Array(2 * pairs.length * count);
  sequenceOf.forEach((sequence, target) => {
    members[sequence * count + target] = 1;
  });
  const reference = Float32Array.from(pairs, (pair) => pair.referenceChosen - pair.referenceRejected);
  return {
    members: float32(members, [2 * pairs.length, count]),
    reference: float32(reference, [pairs.length, 1]),
    beta: scalar(beta),
    ...(task.recipe ? recipeFeeds(task, task.recipe, sequenceOf) : {}),
  };
}

type PairTask = Extract<GradientTask, { readonly objective: 'dpo' }>;

function recipeFeeds(
  task: PairTask,
  { loss, agreement }: PairRecipe,
  sequenceOf: Targets['sequenceOf'],
): Feeds {
  const weights = likelihoodWeights(task);
  const likelihood = Float32Array.from(sequenceOf, (sequence) => weights[sequence]!);
  return {
    agreement: scalar(agreement),
    disagreement: scalar(1 - agreement),
    likelihood: float32(likelihood, [likelihood.length, 1]),
    ...(loss === 'ipo' ? { target: scalar(ipoTarget(task.beta)) } : {}),
  };
}

function maskFeeds(
  { compiled }: Model,
  task: GradientTask,
  { lines }: Targets,
  adapterDropout: number,
): Feeds {
  if (task.dropout === 0 && adapterDropout === 0) return {};
  const { architecture } = compiled;
  const { layers, hiddenSize } = architecture;
  const sequences = taskSequences(task).map((row) => row.ids.slice(0, -1));
  const layout = layOut(sequences, true);
  const feeds: Record<string, Feeds[string]> = {};
  const feed = (layer: number, site: DropoutSite, rate: number, { width, late }: SiteShape) => {
    const all = dropoutMask(layout, task.keys, rate, layer, site, width);
    const mask = late && layer === layers - 1 ? rowsOf(all, lines, width) : all;
    feeds[maskName(layer, site)] = float32(mask, [mask.length / width, width]);
  };
  for (let layer = 0; layer < layers; layer++) {
    for (const site of task.dropout > 0 ? BRANCHES : [])
      feed(layer, site, task.dropout, { width: hiddenSize, late: true });
    for (const site of adapterDropout > 0 ? ADAPTER_SITES : [])
      feed(layer, site, adapterDropout, adapterSiteShape(architecture, site));
  }
  return feeds;
}

const BRANCHES: readonly BranchSite[] = ['attention', 'mlp'];

function rowsOf(from: Float32Array, lines: Int32Array, width: number): Float32Array {
  const out = new Float32Array(lines.length * width);
  lines.forEach((line, i) => {
    out.set(from.subarray(line * width, (line + 1) * width), i * width);
  });
  return out;
}

/** Adds the gradient of every embedded line to its row of a table. Padding reaches no target: its gradient is 0. */
function addRows(
  into: Float32Array,
  offset: number,
  slopes: Float32Array,
  rows: Int32Array | BigInt64Array,
  width: number,
): void {
  for (let line = 0; line < rows.length; line++) {
    const to = offset + Number(rows[line]!) * width;
    const from = line * width;
    for (let i = 0; i < width; i++) into[to + i]! += slopes[from + i]!;
  }
}
