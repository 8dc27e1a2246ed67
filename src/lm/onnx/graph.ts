/**
 * A graph under construction: values with type and shape, the nodes that make them, and a tape of the operations that
 * vjp.ts can go back along. Owns names; knows no operator's meaning (ops.ts) and no model (transformer.ts).
 */
import type {
  Attribute,
  Dim,
  ElementType,
  GraphRecord,
  NodeRecord,
  TensorRecord,
  ValueRecord,
} from './proto.js';
import { encodeModel } from './proto.js';

/** A tensor in the graph. */
export interface Value extends ValueRecord {}

/** One differentiable operation: what went in, what came out, and what its rule in vjp.ts wants to know. */
export interface TapeEntry {
  readonly rule: string;
  readonly inputs: readonly Value[];
  readonly output: Value;
  /** Kept from the forward pass. */
  readonly saved: readonly Value[];
  readonly options: Readonly<Record<string, number | boolean | readonly number[]>>;
}

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** Operators beyond ONNX itself that onnxruntime's CPU provider has. */
export const CONTRIB = 'com.microsoft';

/** The nodes that stand for one that a dialect lacks. */
export type Lowering = (
  g: Graph,
  inputs: readonly Value[],
  attributes: Readonly<Record<string, Attribute>>,
) => readonly Value[];

/** Which operators a graph may be written in. */
export interface Dialect {
  /** Versions by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly lowerings: ReadonlyMap<string, Lowering>;
}

/**
 * onnxruntime's exp makes a denormal of all that is far below the top, and the processor takes four times as long for those.
 * What is raised to e⁻⁵⁰ of the top adds nothing to a sum of float32 either, and is large enough that its products with
 * gradients are no denormals.
 */
const maskedSoftmax: Lowering = (g, [x]) => {
  const { shape } = x!;
  const one = [...shape.slice(0, -1), 1];
  const top = g.node('ReduceMax', [x!], one, { attributes: { axes: [-1], keepdims: 1 } });
  const floor = g.node('Sub', [top, g.scalar(50)], one);
  const raised = g.node('Max', [x!, floor], shape);
  return [g.node('Softmax', [raised], shape, { attributes: { axis: -1 } })];
};

const ONNXRUNTIME: Dialect = {
  opsets: { '': 17, [CONTRIB]: 1 },
  lowerings: new Map([['MaskedSoftmax', maskedSoftmax]]),
};

type OutputShape = { readonly type?: ElementType; readonly shape: readonly Dim[] };
type Numbers = Float32Array | Int32Array | BigInt64Array;

export class Graph {
  readonly tape: TapeEntry[] = [];
  readonly name: string;
  readonly #nodes: NodeRecord[] = [];
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #initializers: TensorRecord[] = [];
  readonly #constants = new Map<string, Value>();
  readonly #dialect: Dialect;
  #values = 0;

  constructor(name: string, dialect = ONNXRUNTIME) {
    this.name = name;
    this.#dialect = dialect;
  }

  input(name: string, type: ElementType, shape: readonly Dim[]): Value {
    const value = { name, type, shape };
    this.#inputs.push(value);
    return value;
  }

  /** Numbers that are part of the graph; their bytes are read when it is encoded. */
  initializer(name: string, shape: readonly number[], data: Numbers): Value {
    const type = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'int64';
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push({ name, type, shape, bytes });
    return { name, type, shape };
  }

  /** A small constant; the same numbers are stored once. */
  constant(shape: readonly number[], data: Numbers): Value {
    const key = `${data.constructor.name} [${shape}] ${data}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const value = this.initializer(`constant_${this.#constants.size}`, shape, data);
    this.#constants.set(key, value);
    return value;
  }

  scalar(value: number): Value {
    return this.constant([], Float32Array.of(value));
  }

  int64s(values: readonly number[]): Value {
    return this.constant([values.length], BigInt64Array.from(values, BigInt));
  }

  /** Adds a node; `null` leaves an optional input or output out. */
  nodes(
    op: string,
    inputs: readonly (Value | null)[],
    outputs: readonly (OutputShape | null)[],
    { domain = '', attributes = {} }: NodeOptions = {},
  ): readonly Value[] {
    const lowering = this.#dialect.lowerings.get(op);
    if (lowering !== undefined) return lowering(this, inputs as readonly Value[], attributes);
    if (!(domain in this.#dialect.opsets))
      throw new Error(`${this.name}: no ${domain}.${op} in this dialect`);
    const made = outputs.map((output) =>
      output === null
        ? { name: '', type: 'float32' as const, shape: [] }
        : { name: `v${this.#values++}`, type: output.type ?? 'float32', shape: output.shape },
    );
    this.#nodes.push({
      op,
      domain,
      inputs: inputs.map((value) => value?.name ?? ''),
      outputs: made.map((value) => value.name),
      attributes,
    });
    return made;
  }

  /** A node with one output, float32 unless said otherwise. */
  node(
    op: string,
    inputs: readonly (Value | null)[],
    shape: readonly Dim[],
    options: NodeOptions & { readonly type?: ElementType } = {},
  ): Value {
    const output = options.type === undefined ? { shape } : { shape, type: options.type };
    return this.nodes(op, inputs, [output], options)[0]!;
  }

  /** The same value under a name that can be referred to. */
  named(name: string, value: Value): Value {
    this.#nodes.push({ op: 'Identity', domain: '', inputs: [value.name], outputs: [name], attributes: {} });
    return { ...value, name };
  }

  output(name: string, value: Value): void {
    this.#outputs.push(this.named(name, value));
  }

  get size(): number {
    return this.#nodes.length;
  }

  record(): GraphRecord {
    return {
      name: this.name,
      nodes: this.#nodes,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: this.#initializers,
      opsets: this.#dialect.opsets,
    };
  }

  encode(): Uint8Array {
    return encodeModel(this.record());
  }
}
