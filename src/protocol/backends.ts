/**
 * The names of what may do the numbers: `onnx` is the compiled engine on the CPU, `onnx:…` the same with another of
 * onnxruntime's execution providers (what that lacks runs on the CPU), the others are backends of TensorFlow.js.
 */
export const BACKENDS = [
  'onnx',
  'tensorflow',
  'wasm',
  'cpu',
  'onnx:cuda',
  'onnx:webgpu',
  'onnx:coreml',
  'onnx:dml',
] as const;
export type Backend = (typeof BACKENDS)[number];

/** What may be asked for; `auto`: the best that the machine has. */
export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];
