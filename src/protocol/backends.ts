/**
 * The names of what may do the numbers: `onnx` is the compiled CPU engine, the others are backends of TensorFlow.js.
 */
export const BACKENDS = ['onnx', 'tensorflow', 'wasm', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];

/** What may be asked for; `auto`: the best that the machine has. */
export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];
