import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'irpo',
  summary:
    'Iterative RPO: a correct answer against a wrong one, by the world’s truth; DPO plus the chosen’s likelihood',
  config: { cast: { trainer: 'irpo', judge: 'gold' } },
});
