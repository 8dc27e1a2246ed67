import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'ipo',
  summary: 'the pairs are trained on with the squared loss of IPO instead of DPO’s',
  config: { cast: { trainer: 'ipo' } },
});
