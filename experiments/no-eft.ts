import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'no-eft',
  summary: 'M1 is fine-tuned on demonstrations only: the judge gets no evaluation data',
  config: { eft: false },
});
