/**
 * onnxruntime's sessions: how a graph becomes something that runs. One thread each: workers are the parallelism, and one
 * thread adds in one order.
 */
import * as ort from 'onnxruntime-node';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';
import { Graph } from './graph.js';

/** Where nodes run: `cpu`, or what onnxruntime-node has beside it on this platform. */
export type Provider = 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml';

export interface Runtime {
  readonly provider: Provider;
  /** Asked after each run: true ends the call under way. A thread must not be terminated inside onnxruntime. */
  readonly interrupted: () => boolean;
}

const CPU: Runtime = { provider: 'cpu', interrupted: () => false };

export type Feeds = Readonly<Record<string, ort.Tensor>>;
export type Fetched = Readonly<Record<string, ort.Tensor>>;

export interface Session {
  run(feeds: Feeds, fetches?: readonly string[]): Promise<Fetched>;
  dispose(): Promise<void>;
}

const unavailable = (provider: Provider, reason: string): SoliloquyError =>
  new SoliloquyError(
    'backend.unavailable',
    `onnxruntime's ${provider} provider does not work here: ${reason}`,
    {
      backend: `onnx:${provider}`,
      fix: 'take --backend onnx; `soliloquy doctor` says how to get the provider',
    },
  );

/** Resolves where the provider runs a graph of one node; else `backend.unavailable`. */
export async function checkProvider(provider: Provider): Promise<void> {
  if (provider === 'cpu') return;
  const known = ort.listSupportedBackends().map(({ name }) => name);
  if (!known.includes(provider)) throw unavailable(provider, `this platform has ${known.join(', ')}`);
  const g = new Graph('trial');
  const x = g.input('x', 'float32', [1]);
  g.output('y', g.node('Add', [x, x], [1]));
  try {
    const session = await openSession(g, { ...CPU, provider });
    await session.dispose();
  } catch (error) {
    throw unavailable(provider, reasonOf(error));
  }
}

const interruption = () => new SoliloquyError('worker.failed', 'the model was closed', { closed: true });

export async function openSession(graph: Graph, runtime: Runtime = CPU): Promise<Session> {
  const { provider, interrupted } = runtime;
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
      async run(feeds, fetches) {
        const out = await (fetches === undefined ? session.run(feeds) : session.run(feeds, fetches));
        if (interrupted()) throw interruption();
        return out;
      },
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
