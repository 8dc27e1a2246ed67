/**
 * Forward and backward of one micro-batch in one graph: the loss of the objective summed over its rows, and every
 * parameter's gradient, or those of adapters alone (lora-graph.ts). SFT: −Σ log p. DPO (Rafailov et al. 2023): Σ −log σ(β·[(log π/π_ref)(chosen) −
 * (log π/π_ref)(rejected)]), log-probs summed over the target tokens. Of a recipe: see ../pair-loss.ts.
 */

import type { LoraConfig, PairRecipe } from '../../protocol/lm.js';
import { type Architecture, EMBEDDING, POSITIONS, parametersOf } from '../architecture.js';
import { Graph, type Value } from './graph.js';
import { embed, masked, parameterInputs, rotationInputs, sizeInputs } from './graphs.js';
import { adapterInputs, maskInput } from './lora-graph.js';
import { add, matmul, mul, negate, reshape, softplus, sub, targetLogprobs, total } from './ops.js';
import { type Forward, hiddenStates, logitsOf } from './transformer.js';
import { gradients } from './vjp.js';

export interface TrainGraphKind {
  readonly objective: 'sft' | 'dpo';
  readonly dropout: boolean;
  /** Of a recipe; absent = plain DPO, a graph of fewer nodes. */
  readonly loss?: PairRecipe['loss'];
  /** The base stands still, adapters are trained. */
  readonly lora?: LoraConfig;
}

/** The two sides of a pair stand in one block, and their common beginning once. */
export const isPaired = ({ objective, dropout, lora }: TrainGraphKind): boolean =>
  objective === 'dpo' && !dropout && !(lora !== undefined && lora.dropout > 0);

/** Name of the output with a parameter's gradient. */
export const gradientOf = (parameter: string): string => `d ${parameter}`;

/** The gradient of the embedded lines [N, hidden]: whoever runs the graph adds them to their tokens' rows, and positions'. */
export const EMBEDDED = 'embedded';

/**
 * `seed` [] is d (what is wanted) / d (sum of losses), 1 / scale. For dpo `members` [2·pairs, M] says with ones which targets
 * belong to which sequence (chosen, rejected, chosen …), `reference` [pairs, 1] is log π_ref(chosen) − log π_ref(rejected).
 * Of a recipe, `agreement` [] and `disagreement` [] weigh the pair as it stands and reversed, `likelihood` [M, 1] each target's
 * log-prob, and `target` [] is the margin that IPO aims at.
 */
export function trainGraph(architecture: Architecture, kind: TrainGraphKind): Graph {
  const { objective, dropout, loss: shape, lora } = kind;
  const g = new Graph(`train-${objective}`);
  const ids = g.input('ids', 'int32', ['N']);
  const rotation = rotationInputs(g, 'N', architecture);
  sizeInputs(g);
  const only = g.input('lines', 'int64', ['M']);
  const targets = g.input('targets', 'int64', ['M', 1]);
  const seed = g.input('seed', 'float32', []);
  const parameters = parameterInputs(g, architecture);
  const mask: Forward['mask'] = (layer, site) =>
    maskInput(g, architecture, layer, site, { width: architecture.hiddenSize, late: true });
  const adapters = lora && adapterInputs(g, architecture, lora);
  const forward: Forward = {
    g,
    architecture,
    parameters,
    rotation,
    attend: masked(g, architecture, isPaired(kind)),
    only,
    ...(dropout ? { mask } : {}),
    ...(adapters ? { adapt: adapters.adapt } : {}),
  };
  const embedded = embed(g, architecture, parameters, ids, rotation.positions);
  const logprobs = targetLogprobs(g, logitsOf(forward, hiddenStates(forward, embedded)), targets);
  const loss = objective === 'sft' ? negate(g, total(g, logprobs)) : dpoLoss(g, logprobs, shape);
  g.output('loss', loss);
  if (adapters) {
    gradients(g, loss, seed, adapters.trained).forEach((slope, i) => {
      g.output(gradientOf(adapters.trained[i]!.name), slope);
    });
    return g;
  }
  const wanted = parametersOf(architecture).filter(
    ({ name }) => name !== POSITIONS && (architecture.tiedHead || name !== EMBEDDING),
  );
  const slopes = gradients(g, loss, seed, [embedded, ...wanted.map(({ name }) => parameters(name))]);
  g.output(gradientOf(EMBEDDED), slopes[0]!);
  wanted.forEach(({ name }, i) => {
    g.output(gradientOf(name), slopes[i + 1]!);
  });
  return g;
}

function dpoLoss(g: Graph, logprobs: Value, shape: TrainGraphKind['loss']): Value {
  const members = g.input('members', 'float32', ['Q', 'M']);
  const reference = g.input('reference', 'float32', ['pairs', 1]);
  const beta = g.input('beta', 'float32', []);
  const sides = reshape(g, matmul(g, members, logprobs), ['pairs', 2]);
  const difference = matmul(g, sides, g.constant([2, 1], Float32Array.of(1, -1))); // [pairs, 1]
  const h = sub(g, difference, reference);
  const margins = mul(g, h, beta);
  g.output('margins', margins);
  if (shape === undefined) return total(g, softplus(g, negate(g, margins)));
  const [forth, back] = shape === 'sigmoid' ? logistic(g, margins) : squared(g, h);
  const agreement = g.input('agreement', 'float32', []);
  const disagreement = g.input('disagreement', 'float32', []);
  const both = add(g, mul(g, forth, agreement), mul(g, back, disagreement));
  const likelihood = g.input('likelihood', 'float32', ['M', 1]);
  return sub(g, total(g, both), total(g, mul(g, logprobs, likelihood)));
}

/** The loss of each pair as it stands, and reversed. */
type BothWays = readonly [Value, Value];

const logistic = (g: Graph, margins: Value): BothWays => [
  softplus(g, negate(g, margins)),
  softplus(g, margins),
];

function squared(g: Graph, h: Value): BothWays {
  const target = g.input('target', 'float32', []);
  const square = (x: Value) => mul(g, x, x);
  return [square(sub(g, h, target)), square(sub(g, negate(g, h), target))];
}
