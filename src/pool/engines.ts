/**
 * Which engine stands behind a backend's name. Loaded on demand: the main thread never pays for one.
 */
import type { Engine } from '../lm/engine.js';
import type { Provider as OnnxProvider } from '../lm/onnx/session.js';
import type { BackendChoice } from '../protocol/backends.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

const unavailable = (reason: unknown): SoliloquyError =>
  new SoliloquyError(
    'backend.unavailable',
    `onnxruntime-node does not load on ${process.platform}/${process.arch}: ${reasonOf(reason)}`,
    { backend: 'onnx', fix: 'reinstall with `npm ci`, or use --backend wasm' },
    { cause: reason },
  );

async function createTfjs(backend?: 'tensorflow' | 'wasm' | 'cpu'): Promise<Engine> {
  const { createTfjsEngine } = await import('../lm/tfjs/engine.js');
  return createTfjsEngine(backend);
}

async function createOnnx(provider: OnnxProvider, interrupted: () => boolean): Promise<Engine> {
  const { createOnnxEngine } = await import('../lm/onnx/engine.js').catch((error: unknown) => {
    throw unavailable(error);
  });
  return createOnnxEngine({ provider, interrupted });
}

/**
 * `auto`: the compiled engine, or TensorFlow.js where onnxruntime-node has no library for this machine. What is forced and
 * not there is `backend.unavailable`. `interrupted` ends what a compiled engine has under way.
 */
export async function createEngine(backend: BackendChoice, interrupted: () => boolean): Promise<Engine> {
  switch (backend) {
    case 'onnx':
      return createOnnx('cpu', interrupted);
    case 'onnx:cuda':
    case 'onnx:webgpu':
    case 'onnx:coreml':
    case 'onnx:dml':
      return createOnnx(backend.slice('onnx:'.length) as OnnxProvider, interrupted);
    case 'auto':
      return createOnnx('cpu', interrupted).catch(() => createTfjs());
    default:
      return createTfjs(backend);
  }
}
