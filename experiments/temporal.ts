import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'temporal',
  summary: 'rejected are answers of M1 for ever; a version trained ahead may better the chosen ones',
  config: { cast: { trainer: 'temporal' } },
});
