/**
 * Dropout masks from our own generator: a sequence's mask depends on its key, the layer and the site alone, so neither
 * the batch nor its layout changes it. Eight mask elements a Philox block, 16 bits each.
 */
import type { RngKey } from '../protocol/lm.js';
import { philox } from '../rng.js';
import type { Architecture } from './architecture.js';
import type { Layout } from './layout.js';

/** What a branch puts out, or what its adapters are given: theirs share one mask where they read the same lines. */
export type DropoutSite = BranchSite | AdapterSite;
export type BranchSite = 'attention' | 'mlp';
/** The input of q, k and v; of o; of gate and up; of down. */
export const ADAPTER_SITES = ['to qkv', 'to o', 'to up', 'to down'] as const;
export type AdapterSite = (typeof ADAPTER_SITES)[number];

const SITE: Record<DropoutSite, number> = {
  attention: 1,
  mlp: 2,
  'to qkv': 3,
  'to o': 4,
  'to up': 5,
  'to down': 6,
};

export interface SiteShape {
  readonly width: number;
  /** Whether it lies behind the last layer's attention, where only lines that predict a target go on. */
  readonly late: boolean;
}

export const adapterSiteShape = (
  { hiddenSize, heads, headDim, intermediateSize }: Architecture,
  site: AdapterSite,
): SiteShape => {
  switch (site) {
    case 'to qkv':
      return { width: hiddenSize, late: false };
    case 'to o':
      return { width: heads * headDim, late: true };
    case 'to up':
      return { width: hiddenSize, late: true };
    case 'to down':
      return { width: intermediateSize, late: true };
    default:
      return site satisfies never;
  }
};

/** [N, D] of 0 and 1/(1 − rate); padding keeps 0. */
export function dropoutMask(
  layout: Layout,
  keys: readonly RngKey[],
  rate: number,
  layer: number,
  site: DropoutSite,
  size: number,
): Float32Array {
  const mask = new Float32Array(layout.total * size);
  const dropped = Math.round(rate * 0x10000);
  const kept = 1 / (1 - rate);
  const block = new Uint32Array(4);
  const lanes = new Uint16Array(block.buffer);
  layout.lengths.forEach((length, row) => {
    const start = layout.starts[row]! * size;
    const end = start + length * size;
    for (let at = start, counter = 0; at < end; at += 8, counter++) {
      philox(keys[row]!, counter, layer, SITE[site], 0, block);
      for (let i = 0; i < 8 && at + i < end; i++) mask[at + i] = lanes[i]! < dropped ? 0 : kept;
    }
  });
  return mask;
}
