/**
 * Low-rank adapters (Hu et al. 2022), said once: which linear layers have one, the names, shapes and places of its
 * parameters in one block, how it starts, and how it is merged. A layer is what the family's files call one: GPT-2's c_attn is three
 * of our linear weights with one A. Names and start are PEFT's (A uniform ±1/√in, B zeros). Owns no files.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { AdapterFacts, LoraConfig, RngKey } from '../protocol/lm.js';
import { keyOf, rngOf } from '../rng.js';
import type { Architecture, Parameter } from './architecture.js';
import { storedTensors } from './stored-layout.js';

export interface LinearLayer {
  /** Path of the layer, as PEFT and the family's files know it: `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  /** Its last part. */
  readonly target: string;
  /** Our weights [out, in], one behind the other along its outputs. */
  readonly parts: readonly Parameter[];
  readonly inSize: number;
  readonly outSize: number;
}

export interface AdapterModule extends LinearLayer {
  /** First floats of A [rank, in] and B [out, rank] in the adapter's block. */
  readonly aOffset: number;
  readonly bOffset: number;
}

/** What an adapter looks like: two of the same shape have the same parameters. */
export type AdapterShape = Pick<LoraConfig, 'rank' | 'targets'>;

/** An adapter with its numbers, in the order of `adapterModules`. */
export interface Adapter {
  readonly lora: LoraConfig;
  readonly data: Float32Array;
}

const LINEAR = /\.(?:layers|h)\.\d+\..*\.(\w+)\.weight$/;

/** All linear layers of attention and MLP. */
export const linearLayers = (architecture: Architecture): readonly LinearLayer[] =>
  storedTensors(architecture).flatMap(({ name, shape, parts }) => {
    const target = LINEAR.exec(name)?.[1];
    if (target === undefined || shape.length !== 2) return [];
    const outSize = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
    return [{ name: name.replace(/\.weight$/, ''), target, parts, inSize: parts[0]!.shape[1]!, outSize }];
  });

/** Names that `targets` may have. */
export const adaptableTargets = (architecture: Architecture): readonly string[] => [
  ...new Set(linearLayers(architecture).map(({ target }) => target)),
];

/** The targets, all of them where none is named; one that this architecture lacks: `config.invalid`. */
export function targetsOf(architecture: Architecture, targets: readonly string[]): readonly string[] {
  const known = adaptableTargets(architecture);
  const unknown = targets.find((target) => !known.includes(target));
  if (unknown !== undefined)
    throw new SoliloquyError(
      'config.invalid',
      `lora.targets: a ${architecture.family} model has no linear layer "${unknown}"`,
      { path: 'lora.targets', known, fix: `name some of: ${known.join(', ')}; or none, for all of them` },
    );
  return targets.length === 0 ? known : known.filter((target) => targets.includes(target));
}

export function adapterModules(
  architecture: Architecture,
  { rank, targets }: AdapterShape,
): readonly AdapterModule[] {
  const wanted = targetsOf(architecture, targets);
  let offset = 0;
  return linearLayers(architecture)
    .filter(({ target }) => wanted.includes(target))
    .map((layer) => {
      const aOffset = offset;
      const bOffset = aOffset + rank * layer.inSize;
      offset = bOffset + layer.outSize * rank;
      return { ...layer, aOffset, bOffset };
    });
}

/** Floats of an adapter: what is trained. */
export const adapterSize = (architecture: Architecture, shape: AdapterShape): number =>
  adapterModules(architecture, shape).reduce(
    (sum, { inSize, outSize }) => sum + shape.rank * (inSize + outSize),
    0,
  );

/** What a lineage says of an adapter. */
export const adapterFacts = (architecture: Architecture, lora: LoraConfig): AdapterFacts => ({
  rank: lora.rank,
  alpha: lora.alpha,
  dropout: lora.dropout,
  targets: [...targetsOf(architecture, lora.targets)],
  parameters: adapterSize(architecture, lora),
});

/** PEFT's start: A by He et al. 2015 with a = √5, which is uniform in ±1/√in; B zeros, so that nothing is changed yet. */
export function freshAdapter(architecture: Architecture, lora: LoraConfig, key: RngKey): Float32Array {
  const data = new Float32Array(adapterSize(architecture, lora));
  for (const { name, inSize, aOffset } of adapterModules(architecture, lora)) {
    const rng = rngOf(keyOf(key[0], 'lora.start', key[1], name));
    const bound = 1 / Math.sqrt(inSize);
    for (let i = 0; i < lora.rank * inSize; i++) data[aOffset + i] = (2 * rng.uniform() - 1) * bound;
  }
  return data;
}

export const scalingOf = ({ rank, alpha }: Pick<LoraConfig, 'rank' | 'alpha'>): number => alpha / rank;

/** A and B of one layer, where they stand in a block. */
export interface Factors {
  readonly parts: readonly Parameter[];
  readonly inSize: number;
  readonly rank: number;
  readonly scaling: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export const factorsOf = (architecture: Architecture, { lora, data }: Adapter): readonly Factors[] =>
  adapterModules(architecture, lora).map(({ parts, inSize, outSize, aOffset, bOffset }) => ({
    parts,
    inSize,
    rank: lora.rank,
    scaling: scalingOf(lora),
    a: data.subarray(aOffset, bOffset),
    b: data.subarray(bOffset, bOffset + outSize * lora.rank),
  }));

/**
 * W + scaling·B·A from `base` into `into` (may be the same block), in float64 and rounded once. Where nothing is added a weight
 * keeps its bits, so an adapter with B = 0 is its base.
 */
export function mergeLayer(
  { parts, inSize, rank, scaling, a, b }: Factors,
  base: Float32Array,
  into: Float32Array,
): void {
  const delta = new Float64Array(inSize);
  let row = 0;
  for (const { offset, shape } of parts) {
    for (let out = 0; out < shape[0]!; out++, row++) {
      delta.fill(0);
      for (let k = 0; k < rank; k++) {
        const by = b[row * rank + k]!;
        if (by !== 0) for (let i = 0, at = k * inSize; i < inSize; i++, at++) delta[i]! += by * a[at]!;
      }
      const at = offset + out * inSize;
      for (let i = 0; i < inSize; i++)
        into[at + i] = delta[i] === 0 ? base[at + i]! : base[at + i]! + scaling * delta[i]!;
    }
  }
}
