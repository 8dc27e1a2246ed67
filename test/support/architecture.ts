/** One layer of a few numbers: the smallest Llama that real runs and servers are tried with. */
import type { Architecture } from '../../src/lm/architecture.js';

export const tinyLlama = (vocabSize: number, maxPositions: number): Architecture => ({
  family: 'llama',
  vocabSize,
  hiddenSize: 16,
  intermediateSize: 24,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  maxPositions,
  tiedHead: true,
  attentionBias: false,
  mlpBias: false,
});
