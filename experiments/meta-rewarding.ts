import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'meta-rewarding',
  summary:
    'the model also judges its judgements: better against worse ones are trained on beside the answers',
  // In writing M1, which never met a meta-judge's prompt, gives no verdict at all (docs/variants.md).
  config: { cast: { trainer: 'meta-rewarding' }, meta: { reading: 'likelier' } },
});
