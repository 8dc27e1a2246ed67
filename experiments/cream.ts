import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'cream',
  summary:
    'implicit rewards of the newest version and the one before; where they disagree the loss trusts the pairs less',
  config: { cast: { trainer: 'cream', judge: 'ensemble:[implicit,implicit:1]' } },
});
