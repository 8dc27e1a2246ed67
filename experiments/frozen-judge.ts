import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'frozen-judge',
  summary: 'the judge stays M1: the reward model is frozen, as in ordinary RLHF',
  config: { cast: { judge: 'frozen:M1' } },
});
