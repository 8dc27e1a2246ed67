import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'length-control',
  summary: 'pairs by score and length: the shortest of the good answers against the longest of the bad ones',
  config: { pair: { lengthControl: 0.32 } },
});
