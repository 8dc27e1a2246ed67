import { defineExperiment } from '../src/protocol/experiment.js';

export default defineExperiment({
  name: 'online-dpo',
  summary: 'each iteration in four rounds of fresh answers; judge and DPO reference stay those of its start',
  // A quarter of the microworld's 1200 asks a round; eight steps a round need a shorter warm-up.
  config: { iterations: 8, online: { rounds: 4 }, invent: { asks: 300 }, dpo: { warmupSteps: 2 } },
});
