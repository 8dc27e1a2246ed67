/**
 * Adapters in a train graph: W·x + scaling·B·A·drop(x), with A and B as inputs that gradients are wanted of. GPT-2's c_attn has
 * one A for three of our linear layers, and its B in three.
 */
import type { LoraConfig } from '../../protocol/lm.js';
import type { Architecture } from '../architecture.js';
import { type AdapterSite, adapterSiteShape, type DropoutSite, type SiteShape } from '../dropout.js';
import { adapterModules, scalingOf } from '../lora.js';
import type { Graph, Value } from './graph.js';
import { add, linear, mul } from './ops.js';
import type { Forward, LinearPart } from './transformer.js';

interface AdapterTensor {
  /** Of the graph's input. */
  readonly name: string;
  readonly shape: readonly [number, number];
  /** In the adapter's block. */
  readonly offset: number;
}

const nameOfA = (module: string): string => `${module}.lora_A`;
const nameOfB = (weight: string): string => `${weight.replace(/\.weight$/, '')}.lora_B`;

/** An adapter's parameters as the graph knows them. */
export const adapterTensors = (
  architecture: Architecture,
  lora: Pick<LoraConfig, 'rank' | 'targets'>,
): readonly AdapterTensor[] =>
  adapterModules(architecture, lora).flatMap(({ name, parts, inSize, aOffset, bOffset }) => {
    let offset = bOffset;
    const bs = parts.map((part): AdapterTensor => {
      const shape = [part.shape[0]!, lora.rank] as const;
      const tensor = { name: nameOfB(part.name), shape, offset };
      offset += shape[0] * lora.rank;
      return tensor;
    });
    return [{ name: nameOfA(name), shape: [lora.rank, inSize], offset: aOffset }, ...bs];
  });

export const maskName = (layer: number, site: DropoutSite): string => `mask ${layer} ${site}`;

/** [M, width] where the site is a late one of the last layer, else [N, width]. */
export const maskInput = (
  g: Graph,
  { layers }: Architecture,
  layer: number,
  site: DropoutSite,
  { width, late }: SiteShape,
): Value => g.input(maskName(layer, site), 'float32', [late && layer === layers - 1 ? 'M' : 'N', width]);

const SITES: Readonly<Record<LinearPart, AdapterSite>> = {
  'self_attn.q_proj': 'to qkv',
  'self_attn.k_proj': 'to qkv',
  'self_attn.v_proj': 'to qkv',
  'self_attn.o_proj': 'to o',
  'mlp.gate_proj': 'to up',
  'mlp.up_proj': 'to up',
  'mlp.down_proj': 'to down',
};

export interface AdapterInputs {
  readonly adapt: NonNullable<Forward['adapt']>;
  readonly trained: readonly Value[];
}

export function adapterInputs(g: Graph, architecture: Architecture, lora: LoraConfig): AdapterInputs {
  const inputs = new Map(
    adapterTensors(architecture, lora).map(({ name, shape }) => [name, g.input(name, 'float32', shape)]),
  );
  const moduleOf = new Map(
    adapterModules(architecture, lora).flatMap(({ name, parts }) => parts.map((part) => [part.name, name])),
  );
  const made = new Map<string, Value>();
  const once = (name: string, make: () => Value): Value => {
    const value = made.get(name) ?? make();
    made.set(name, value);
    return value;
  };
  const dropped = (layer: number, site: AdapterSite, x: Value): Value =>
    lora.dropout === 0
      ? x
      : once(maskName(layer, site), () =>
          mul(g, x, maskInput(g, architecture, layer, site, adapterSiteShape(architecture, site))),
        );
  const scaling = g.scalar(scalingOf(lora));
  const adapt: AdapterInputs['adapt'] = (layer, part, x, y) => {
    const weight = `model.layers.${layer}.${part}.weight`;
    const module = moduleOf.get(weight);
    if (module === undefined) return y;
    const a = nameOfA(module);
    const low = once(`low ${a}`, () => {
      const down = linear(g, dropped(layer, SITES[part], x), inputs.get(a)!, null);
      return mul(g, down, scaling); // [N, rank]
    });
    return add(g, y, linear(g, low, inputs.get(nameOfB(weight))!, null));
  };
  return { adapt, trained: [...inputs.values()] };
}
