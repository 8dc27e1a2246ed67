import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'multiple-choice-judge',
  summary: 'the judge picks one of six verdicts instead of adding up points',
  config: { judge: { template: 'microworld-multiple-choice' } },
});
