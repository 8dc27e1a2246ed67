import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'positives-only',
  summary: 'responses with a perfect score join the fine-tuning data; no preference training',
  config: { cast: { trainer: 'sft-positives' } },
});
