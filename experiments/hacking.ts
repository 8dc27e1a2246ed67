import { defineExperiment } from '../src/protocol/experiment.js';

/** The judge was never taught that flattery is worth nothing; four rounds of DPO find that out. */
export default defineExperiment({
  name: 'hacking',
  summary: 'an untaught judge is optimised hard: the self-score climbs, the true score does not',
  config: { eft: false, iterations: 4 },
});
