/**
 * What differs from the schema's defaults: by world, and for a quick look. Plain data; the schema stays the only place
 * where an option is named and defended.
 */
import type { ConfigPart } from './config.js';

/** Of worlds whose texts are people's: longer than the microworld's, for a model that knows a language already. */
const texts: ConfigPart = {
  invent: { asks: 32, sampling: { maxNewTokens: 48 } },
  respond: { sampling: { maxNewTokens: 96 } },
  judge: { sampling: { maxNewTokens: 96 } },
  evaluate: { sampling: { maxNewTokens: 96 } },
  sft: { epochs: 1, learningRate: 5e-5, finalLearningRate: 1e-5 },
  dpo: { learningRate: 1e-5, finalLearningRate: 1e-6 },
};

export type WorldName = 'microworld' | 'open-assistant' | 'files';

export const worldPresets: Readonly<Record<WorldName, ConfigPart>> = {
  microworld: {
    invent: {
      asks: 1200,
      seedShots: 3,
      madeShots: 1,
      similarity: 0.95,
      maxWords: 16,
      sampling: { temperature: 0.8, topP: 1, maxNewTokens: 16 },
    },
    respond: { sampling: { temperature: 1, topP: 1, maxNewTokens: 24 } },
    judge: { sampling: { temperature: 0.7, topP: 1, maxNewTokens: 20 } },
    evaluate: { sampling: { temperature: 0.7, topP: 1, maxNewTokens: 24 } },
    sft: { dropout: 0 },
    dpo: { warmupSteps: 10 },
  },
  'open-assistant': texts,
  // The paper's 3,200 demonstrations, at most; question files are answered whole.
  files: { ...texts, world: { demonstrations: 3200, evaluations: 1600, heldOut: 1000, probes: 150 } },
};

/** `--quick`: the same path in under a minute; too little data for the paper's shape. */
export const quick: ConfigPart = {
  world: { demonstrations: 160, evaluations: 160, heldOut: 60, probes: 30 },
  invent: { asks: 96 },
  sft: { epochs: 1 },
};
