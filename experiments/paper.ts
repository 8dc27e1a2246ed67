import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'paper',
  summary: 'the paper: one live model generates, answers, judges and is trained by DPO',
  config: {},
});
