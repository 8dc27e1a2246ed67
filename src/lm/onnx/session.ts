/**
 * onnxruntime's sessions: how a graph becomes something that runs. One thread each: workers are the parallelism, and one
 * thread adds in one order.
 */
import * as ort from 'onnxruntime-node';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';
import type { Graph } from './graph.js';

/** Where nodes run: `cpu`, or what onnxruntime-node has beside it on this platform. */
export const PROVIDERS = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
export type Provider = (typeof PROVIDERS)[number];

export type Feeds = Readonly<Record<string, ort.Tensor>>;
export type Fetched = Readonly<Record<string, ort.Tensor>>;

export interface Session {
  run(feeds: Feeds, fetches?: readonly string[]): Promise<Fetched>;
  dispose(): Promise<void>;
}

/** The provider, or `backend.unavailable` that says what there is. */
export function checkProvider(provider: Provider): void {
  const known = ort.listSupportedBackends().map(({ name }) => name);
  if (known.includes(provider)) return;
  throw new SoliloquyError(
    'backend.unavailable',
    `onnxruntime-node has no ${provider} provider here; it has: ${known.join(', ')}`,
    { backend: `onnx:${provider}`, fix: 'take --backend onnx, or see `soliloquy doctor`' },
  );
}

export async function openSession(graph: Graph, provider: Provider): Promise<Session> {
  try {
    const session = await ort.InferenceSession.create(graph.encode(), {
      executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      enableMemPattern: false, // sizes change from run to run
      logSeverityLevel: 3,
    });
    return {
      run: (feeds, fetches) => (fetches === undefined ? session.run(feeds) : session.run(feeds, fetches)),
      dispose: () => session.release(),
    };
  } catch (error) {
    throw new SoliloquyError(
      'model.failed',
      `onnxruntime refuses the ${graph.name} graph: ${reasonOf(error)}`,
    );
  }
}

export const float32 = (data: Float32Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('float32', data, dims);
export const int32 = (data: Int32Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('int32', data, dims);
export const int64 = (data: BigInt64Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('int64', data, dims);
export const size = (value: number): ort.Tensor => int64(BigInt64Array.of(BigInt(value)), [1]);
export const floatsOf = (tensor: ort.Tensor | undefined): Float32Array => tensor!.data as Float32Array;
