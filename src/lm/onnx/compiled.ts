/**
 * What of an architecture is compiled: sessions that serve all its versions (prefill, score, train: parameters go in), and
 * those that belong to a version (decode: parameters inside, packed). Opened when first wanted.
 */
import type { Tensor } from 'onnxruntime-node';
import { type Architecture, parametersOf } from '../architecture.js';
import type { Weights } from '../engine.js';
import { MOST_INSIDE } from '../memory-estimate.js';
import { type RopeTable, ropeTable } from '../rope.js';
import { decodeGraph } from './decode-graph.js';
import { prefillGraph, scoreGraph } from './graphs.js';
import { type Feeds, float32, openSession, type Runtime, type Session } from './session.js';
import { type TrainGraphKind, trainGraph } from './train-graph.js';

export interface Compiled {
  readonly architecture: Architecture;
  prefill(): Promise<Session>;
  score(): Promise<Session>;
  train(kind: TrainGraphKind): Promise<Session>;
  /** Memory for all parameters, not zeroed; `giveBack` lets the next version have it. */
  borrow(floats: number): Float32Array;
  giveBack(block: Float32Array): void;
  /** Cosines and sines of at least so many positions. */
  rotation(positions: number): Feeds;
  /** The same, and scaled by 1/√D for queries: what decode wants. */
  scaledRotation(positions: number): Feeds;
  dispose(): Promise<void>;
}

export function compile(architecture: Architecture, runtime: Runtime): Compiled {
  const sessions = new Map<string, Promise<Session>>();
  const rope = ropeTable(architecture);
  const free: Float32Array[] = [];
  const once = (name: string, graph: () => Parameters<typeof openSession>[0]): Promise<Session> => {
    const session = sessions.get(name) ?? openSession(graph(), runtime);
    sessions.set(name, session);
    return session;
  };
  return {
    architecture,
    prefill: () => once('prefill', () => prefillGraph(architecture)),
    score: () => once('score', () => scoreGraph(architecture)),
    train: (kind) => once(`train ${JSON.stringify(kind)}`, () => trainGraph(architecture, kind)),
    borrow: (floats) => free.pop() ?? new Float32Array(floats),
    giveBack: (block) => void free.push(block),
    rotation: (positions) => rotationFeeds(rope, positions),
    scaledRotation(positions) {
      const feeds = rotationFeeds(rope, positions);
      const scaled = ({ data, dims }: Tensor): Tensor =>
        float32(
          (data as Float32Array).map((x) => x * architecture.headDim ** -0.5),
          dims,
        );
      return { ...feeds, 'query cos': scaled(feeds.cos!), 'query sin': scaled(feeds.sin!) };
    },
    async dispose() {
      const open = await Promise.all(sessions.values());
      sessions.clear();
      free.length = 0;
      await Promise.all(open.map((session) => session.dispose()));
    },
  };
}

function rotationFeeds(rope: RopeTable, positions: number): Feeds {
  const { cos, sin } = rope.upTo(positions);
  const dims = [cos.length / rope.half, rope.half];
  return { cos: float32(cos, dims), sin: float32(sin, dims) };
}

/** Every parameter as a view on `block`. */
function parameterFeeds(architecture: Architecture, block: Float32Array): Feeds {
  return Object.fromEntries(
    parametersOf(architecture).map(({ name, shape, offset, size }): [string, Tensor] => [
      name,
      float32(block.subarray(offset, offset + size), shape),
    ]),
  );
}

/** A loaded version. */
export interface Model {
  readonly compiled: Compiled;
  parameters(): Feeds;
  /** `shared`: for rows of which some continue the same prompt. */
  decode(shared: boolean): Promise<Session>;
  /** What the decode session must be fed of the weights; nothing where they are inside. */
  decodeParameters(): Feeds;
  /** Rows of a step at least: weights that are fed are multiplied in another order with a single row. */
  readonly leastRows: 1 | 2;
}

/**
 * onnxruntime-node refuses views on shared memory (1.30: napi_get_arraybuffer_info), so each worker keeps a copy of the
 * weights while the version is loaded; its memory goes from version to version.
 */
export function modelOf(
  compiled: Compiled,
  weights: Weights,
  runtime: Runtime,
  mostInside: number = MOST_INSIDE,
) {
  const { architecture, data } = weights;
  const decode = new Map<boolean, Promise<Session>>();
  let copy: { readonly block: Float32Array; readonly feeds: Feeds } | undefined;
  const copied = () => {
    const block = compiled.borrow(data.length);
    block.set(data);
    return { block, feeds: parameterFeeds(architecture, block) };
  };
  const inside = data.byteLength <= mostInside;
  const parameters = () => {
    copy ??= copied();
    return copy.feeds;
  };
  const model: Model = {
    compiled,
    parameters,
    decode: (shared) => {
      const session = decode.get(shared) ?? openSession(decodeGraph(weights, { shared, inside }), runtime);
      decode.set(shared, session);
      return session;
    },
    decodeParameters: () => (inside ? {} : parameters()),
    leastRows: inside ? 1 : 2,
  };
  const dispose = async (): Promise<void> => {
    if (copy !== undefined) compiled.giveBack(copy.block);
    copy = undefined;
    const open = await Promise.all(decode.values());
    decode.clear();
    await Promise.all(open.map((session) => session.dispose()));
  };
  return { model, dispose };
}
