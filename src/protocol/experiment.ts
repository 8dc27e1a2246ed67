/**
 * An experiment is a name, a sentence and what it changes in the default config. One typed file each in experiments/.
 */
import type { ConfigPart } from './config.js';

export interface Experiment {
  readonly name: string;
  /** One line for `soliloquy run --list`. */
  readonly summary: string;
  readonly config: ConfigPart;
}

export const defineExperiment = (experiment: Experiment): Experiment => experiment;
