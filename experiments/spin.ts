import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'spin',
  summary:
    'self-play: the person’s demonstration against the model’s own answer; nothing is invented or judged',
  config: { cast: { trainer: 'spin' } },
});
