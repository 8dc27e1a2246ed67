import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'oracle-judge',
  summary: 'the world’s true score judges: the upper bound of any judge',
  config: { cast: { judge: 'oracle' } },
});
