/**
 * The models of the benchmark: XS is the default world's own; S and M have random weights, peaked as a trained model's are
 * (so that top-p has real work), from our generator. All lie in a folder in Hugging Face layout, read by every contestant.
 */
import { join } from 'node:path';
import { assetsFolder } from '../src/cli/package.js';
import { type Architecture, parametersOf, sizeOf } from '../src/lm/architecture.js';
import { type Checkpoint, readCheckpoint } from '../src/lm/checkpoint.js';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import type { Weights } from '../src/lm/engine.js';
import { initialise } from '../src/lm/initialise.js';
import { keyOf, rngOf } from '../src/rng.js';
import { TOKENS } from '../src/worlds/microworld/vocabulary.js';

export const SIZE_NAMES = ['XS', 'S', 'M'] as const;
export type SizeName = (typeof SIZE_NAMES)[number];

export interface BenchModel {
  readonly name: SizeName;
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  readonly parameters: number;
}

const random = (
  vocabSize: number,
  hiddenSize: number,
  layers: number,
  heads: number,
  intermediateSize: number,
): Architecture => ({
  family: 'llama',
  vocabSize,
  hiddenSize,
  intermediateSize,
  layers,
  heads,
  kvHeads: heads,
  headDim: hiddenSize / heads,
  rmsNormEps: 1e-5,
  ropeTheta: 1e4,
  ropeScaling: null,
  maxPositions: 256,
  tiedHead: true,
  attentionBias: false,
  mlpBias: false,
});

export const RANDOM_SIZES: Readonly<Record<Exclude<SizeName, 'XS'>, Architecture>> = {
  S: random(2048, 192, 4, 6, 512),
  M: random(8192, 512, 8, 8, 1408),
};

/** Of --lora: as wide as M, a layer more for the small vocabulary; the shapes of SmolLM2-135M and -360M and of Qwen2.5-0.5B. */
export const LORA_SIZE_NAMES = ['30M', '135M', '360M', '494M'] as const;
export type LoraSizeName = (typeof LORA_SIZE_NAMES)[number];

const smol = { ...random(49_152, 576, 30, 9, 1536), kvHeads: 3, ropeTheta: 1e5, maxPositions: 2048 };

export const LORA_SIZES: Readonly<Record<LoraSizeName, Architecture>> = {
  '30M': { ...RANDOM_SIZES.M, vocabSize: TOKENS.length, layers: 9 },
  '135M': smol,
  '360M': { ...smol, hiddenSize: 960, layers: 32, heads: 15, kvHeads: 5, intermediateSize: 2560 },
  '494M': {
    ...random(151_936, 896, 24, 14, 4864),
    family: 'qwen2',
    attentionBias: 'qkv',
    kvHeads: 2,
    ropeTheta: 1e6,
    maxPositions: 2048,
  },
};

const LINEAR = 0.04;
const NORM_SPREAD = 0.1;
const FINAL_NORM = 8;

/** transformers' initial weights with the linear ones doubled, norms spread, the last norm × 8. */
export function peakedWeights(architecture: Architecture, seed: number): Weights {
  const weights = initialise(architecture, seed, { embedding: 0.02, linear: 1, residual: 1 });
  for (const { name, shape, offset, size } of parametersOf(architecture)) {
    const own = weights.data.subarray(offset, offset + size);
    if (shape.length === 1) {
      const rng = rngOf(keyOf(seed, 'bench-norm', name));
      const factor = name === 'model.norm.weight' ? FINAL_NORM : 1;
      for (let i = 0; i < own.length; i++) own[i] = factor * (1 + NORM_SPREAD * rng.normal());
    } else if (!name.endsWith('embed_tokens.weight')) {
      const factor = LINEAR * Math.sqrt(shape[1]!);
      for (let i = 0; i < own.length; i++) own[i]! *= factor;
    }
  }
  return weights;
}

/** `under`: where the random ones are written. */
export async function prepareModel(name: SizeName, under: string): Promise<BenchModel> {
  const folder = name === 'XS' ? join(assetsFolder(), 'microworld-m0') : join(under, name);
  if (name !== 'XS') {
    const weights = peakedWeights(RANDOM_SIZES[name], 1);
    const none = { tokenizer: null, bosId: undefined, eosIds: [], config: null, generationConfig: null };
    await writeCheckpoint(folder, { weights, ...none });
  }
  const checkpoint = await readCheckpoint(folder);
  return { name, folder, checkpoint, parameters: sizeOf(checkpoint.weights.architecture) };
}
