/**
 * Which engine stands behind a backend's name. Loaded on demand: the main thread never pays for one.
 */
import type { Engine } from '../lm/engine.js';
import type { BackendChoice } from '../protocol/backends.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

const unavailable = (reason: unknown): SoliloquyError =>
  new SoliloquyError(
    'backend.unavailable',
    `onnxruntime-node does not load on ${process.platform}/${process.arch}: ${reasonOf(reason)}`,
    { backend: 'onnx', fix: 'reinstall with `npm ci`, or use --backend wasm' },
    { cause: reason },
  );

async function createOnnx(): Promise<Engine> {
  const { createOnnxEngine } = await import('../lm/onnx/engine.js').catch((error: unknown) => {
    throw unavailable(error);
  });
  return createOnnxEngine();
}

/**
 * `auto`: the compiled engine, or TensorFlow.js where onnxruntime-node has no library for this machine. What is forced and
 * not there is `backend.unavailable`.
 */
export async function createEngine(backend: BackendChoice): Promise<Engine> {
  if (backend === 'onnx') return createOnnx();
  if (backend === 'auto') {
    const engine = await createOnnx().catch(() => undefined);
    if (engine !== undefined) return engine;
  }
  const { createTfjsEngine } = await import('../lm/tfjs/engine.js');
  return createTfjsEngine(backend === 'auto' ? undefined : backend);
}
