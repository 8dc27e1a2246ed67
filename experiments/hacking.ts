import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'hacking',
  summary: 'a judge that was hardly taught is optimised hard: the self-score climbs, the true score does not',
  config: { iterations: 4, world: { evaluations: 40 }, dpo: { epochs: 3 } },
});
