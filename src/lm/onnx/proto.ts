/**
 * ONNX's file format, as far as our graphs need it: plain records in, protobuf bytes out. Field numbers are those of
 * onnx.proto3 (IR version 9). Knows no operator.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool';
/** A number, or the name of a size that is known when the graph runs. */
export type Dim = number | string;

export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface NodeRecord {
  readonly op: string;
  /** '' is ONNX itself. */
  readonly domain: string;
  /** Names; '' leaves an optional one out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface ValueRecord {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

export interface TensorRecord {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Little-endian, row by row. */
  readonly bytes: Uint8Array;
  /** Where the bytes lie instead of in the model: a file beside it, and the first byte there. */
  readonly external?: { readonly file: string; readonly offset: number };
}

export interface GraphRecord {
  readonly name: string;
  readonly nodes: readonly NodeRecord[];
  readonly inputs: readonly ValueRecord[];
  readonly outputs: readonly ValueRecord[];
  readonly initializers: readonly TensorRecord[];
  /** Operator set versions by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  /** What a reader may want to know of the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const IR_VERSION = 9;
const ELEMENT: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };
const EXTERNAL = 1;
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 } as const;

type Fill = (writer: BinaryWriter) => void;

/** One nested message, or a string, or an integer, under its field number. */
function nested(writer: BinaryWriter, field: number, fill: Fill): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  fill(writer);
  writer.join();
}
const text = (writer: BinaryWriter, field: number, value: string): void => {
  writer.tag(field, WireType.LengthDelimited).string(value);
};
const integer = (writer: BinaryWriter, field: number, value: number): void => {
  writer.tag(field, WireType.Varint).int64(value);
};

function attribute(writer: BinaryWriter, name: string, value: Attribute): void {
  text(writer, 1, name);
  if (typeof value === 'number') {
    integer(writer, 3, value);
    integer(writer, 20, ATTRIBUTE.int);
  } else if (typeof value === 'string') {
    text(writer, 4, value);
    integer(writer, 20, ATTRIBUTE.string);
  } else if ('float' in value) {
    writer.tag(2, WireType.Bit32).float(value.float);
    integer(writer, 20, ATTRIBUTE.float);
  } else {
    for (const item of value) integer(writer, 8, item);
    integer(writer, 20, ATTRIBUTE.ints);
  }
}

function node(writer: BinaryWriter, { op, domain, inputs, outputs, attributes }: NodeRecord): void {
  for (const name of inputs) text(writer, 1, name);
  for (const name of outputs) text(writer, 2, name);
  text(writer, 4, op);
  for (const [name, value] of Object.entries(attributes)) nested(writer, 5, (w) => attribute(w, name, value));
  text(writer, 7, domain);
}

function value(writer: BinaryWriter, { name, type, shape }: ValueRecord): void {
  const dimension = (dim: Dim): Fill =>
    typeof dim === 'number' ? (w) => integer(w, 1, dim) : (w) => text(w, 2, dim);
  text(writer, 1, name);
  nested(writer, 2, (typeProto) =>
    nested(typeProto, 1, (tensor) => {
      integer(tensor, 1, ELEMENT[type]);
      nested(tensor, 2, (shapeProto) => {
        for (const dim of shape) nested(shapeProto, 1, dimension(dim));
      });
    }),
  );
}

const entry =
  (key: string, value: string): Fill =>
  (writer) => {
    text(writer, 1, key);
    text(writer, 2, value);
  };

function initializer(writer: BinaryWriter, { name, type, shape, bytes, external }: TensorRecord): void {
  for (const dim of shape) integer(writer, 1, dim);
  integer(writer, 2, ELEMENT[type]);
  text(writer, 8, name);
  if (external === undefined) {
    writer.tag(9, WireType.LengthDelimited).bytes(bytes);
    return;
  }
  nested(writer, 13, entry('location', external.file));
  nested(writer, 13, entry('offset', `${external.offset}`));
  nested(writer, 13, entry('length', `${bytes.byteLength}`));
  integer(writer, 14, EXTERNAL);
}

/** The bytes of a ModelProto, as `InferenceSession.create` and a `.onnx` file take them. */
export function encodeModel(graph: GraphRecord): Uint8Array {
  const writer = new BinaryWriter();
  integer(writer, 1, IR_VERSION);
  text(writer, 2, 'soliloquy');
  nested(writer, 7, (w) => {
    for (const record of graph.nodes) nested(w, 1, (n) => node(n, record));
    text(w, 2, graph.name);
    for (const record of graph.initializers) nested(w, 5, (n) => initializer(n, record));
    for (const record of graph.inputs) nested(w, 11, (n) => value(n, record));
    for (const record of graph.outputs) nested(w, 12, (n) => value(n, record));
  });
  for (const [domain, version] of Object.entries(graph.opsets)) {
    nested(writer, 8, (w) => {
      text(w, 1, domain);
      integer(w, 2, version);
    });
  }
  for (const [key, value] of Object.entries(graph.metadata ?? {})) nested(writer, 14, entry(key, value));
  return writer.finish();
}
