/** Random tasks, manners and words of the microworld, for property tests. */
import fc from 'fast-check';
import { keyOf, rngOf } from '../../../src/rng.js';
import { respond } from '../../../src/worlds/microworld/demonstrators.js';
import { drawTask } from '../../../src/worlds/microworld/tasks.js';

export const anyRng = fc.nat().map((n) => rngOf(keyOf(n, 'test')));
export const anyTask = anyRng.map(drawTask);
export const anyManner = fc.record({
  quality: fc.double({ min: 0, max: 1, noNaN: true }),
  pleasing: fc.double({ min: 0, max: 1, noNaN: true }),
});
/** A task and a response of any quality to it. */
export const anyAnswered = fc
  .tuple(anyTask, anyRng, anyManner)
  .map(([task, rng, manner]) => ({ task, response: respond(rng, task, manner) }));
