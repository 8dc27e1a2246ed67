/**
 * Which engine stands behind a backend's name. Loaded on demand: the main thread never pays for TensorFlow.js.
 */
import type { Engine } from '../lm/engine.js';
import type { BackendChoice } from './messages.js';

/** `auto`: the best that this machine has. What is forced and not there is `backend.unavailable`. */
export async function createEngine(backend: BackendChoice): Promise<Engine> {
  const { createTfjsEngine } = await import('../lm/tfjs/engine.js');
  return createTfjsEngine(backend === 'auto' ? undefined : backend);
}
