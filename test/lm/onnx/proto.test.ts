/** What proto.ts writes, read back by another reader of protobuf and by onnxruntime. */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Graph } from '../../../src/lm/onnx/graph.js';
import {
  type Attribute,
  type Dim,
  type ElementType,
  encodeModel,
  type GraphRecord,
  type NodeRecord,
  type TensorRecord,
  type ValueRecord,
} from '../../../src/lm/onnx/proto.js';
import { float32, floatsOf, openSession } from '../../../src/lm/onnx/session.js';

/** All values of a message by field number; lengths stay bytes. */
type Message = Map<number, (number | Uint8Array)[]>;

function messageOf(bytes: Uint8Array): Message {
  const reader = new BinaryReader(bytes);
  const fields: Message = new Map();
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const value =
      wire === WireType.Varint
        ? Number(reader.int64())
        : wire === WireType.Bit32
          ? reader.float()
          : wire === WireType.LengthDelimited
            ? reader.bytes()
            : undefined;
    if (value === undefined) throw new Error(`wire type ${wire}`);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const bytesIn = (m: Message, field: number): Uint8Array[] => (m.get(field) ?? []) as Uint8Array[];
const messages = (m: Message, field: number): Message[] => bytesIn(m, field).map(messageOf);
const texts = (m: Message, field: number): string[] =>
  bytesIn(m, field).map((bytes) => Buffer.from(bytes).toString('utf8'));
const numbers = (m: Message, field: number): number[] => (m.get(field) ?? []) as number[];

// Field and enum numbers below are onnx.proto3's, typed from its text, not taken from proto.ts.
const TYPES = new Map<number, ElementType>([
  [1, 'float32'],
  [6, 'int32'],
  [7, 'int64'],
  [9, 'bool'],
]);

function attributeOf(m: Message): Attribute {
  const [type] = numbers(m, 20);
  switch (type) {
    case 1:
      return { float: numbers(m, 2)[0]! };
    case 2:
      return numbers(m, 3)[0]!;
    case 3:
      return texts(m, 4)[0]!;
    case 7:
      return numbers(m, 8);
    default:
      throw new Error(`attribute type ${type}`);
  }
}

const nodeOf = (m: Message): NodeRecord => ({
  op: texts(m, 4)[0]!,
  domain: texts(m, 7)[0]!,
  inputs: texts(m, 1),
  outputs: texts(m, 2),
  attributes: Object.fromEntries(messages(m, 5).map((a) => [texts(a, 1)[0]!, attributeOf(a)])),
});

function valueRecordOf(m: Message): ValueRecord {
  const tensor = messages(messages(m, 2)[0]!, 1)[0]!;
  const dims = messages(messages(tensor, 2)[0]!, 1);
  const shape = dims.map((dim): Dim => texts(dim, 2)[0] ?? numbers(dim, 1)[0]!);
  return { name: texts(m, 1)[0]!, type: TYPES.get(numbers(tensor, 1)[0]!)!, shape };
}

function tensorOf(m: Message): TensorRecord {
  const base = { name: texts(m, 8)[0]!, type: TYPES.get(numbers(m, 2)[0]!)!, shape: numbers(m, 1) };
  if (numbers(m, 14)[0] !== 1) return { ...base, bytes: bytesIn(m, 9)[0]! };
  const said = Object.fromEntries(messages(m, 13).map((entry) => [texts(entry, 1)[0]!, texts(entry, 2)[0]!]));
  expect(m.has(9)).toBe(false);
  return {
    ...base,
    bytes: new Uint8Array(Number(said.length)),
    external: { file: said.location!, offset: Number(said.offset) },
  };
}

function modelOf(bytes: Uint8Array): GraphRecord {
  const model = messageOf(bytes);
  expect(numbers(model, 1)).toEqual([9]);
  const graph = messages(model, 7)[0]!;
  const pairs = (field: number) => messages(model, field).map((m) => [texts(m, 1)[0]!, m] as const);
  return {
    name: texts(graph, 2)[0]!,
    nodes: messages(graph, 1).map(nodeOf),
    inputs: messages(graph, 11).map(valueRecordOf),
    outputs: messages(graph, 12).map(valueRecordOf),
    initializers: messages(graph, 5).map(tensorOf),
    opsets: Object.fromEntries(pairs(8).map(([domain, m]) => [domain, numbers(m, 2)[0]!])),
    metadata: Object.fromEntries(pairs(14).map(([key, m]) => [key, texts(m, 2)[0]!])),
  };
}

const name = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', 'K0', 'd model.norm.weight', 'λ·1'),
);
const whole = fc.oneof(fc.integer(), fc.constantFrom(-1, 0, 2 ** 40, -(2 ** 40), Number.MAX_SAFE_INTEGER));
const size = fc.nat(2 ** 31);
const element = fc.constantFrom<ElementType>('float32', 'int32', 'int64', 'bool');
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  whole,
  name,
  fc.array(whole),
  fc.float({ noNaN: true }).map((float) => ({ float })),
);
// As keys: no number, so that an object keeps their order.
const key = fc.string({ minLength: 1 }).filter((text) => Number.isNaN(Number(text)) && text !== '__proto__');
const value = fc.record<ValueRecord>({ name, type: element, shape: fc.array(fc.oneof(size, name)) });
const tensor: fc.Arbitrary<TensorRecord> = fc
  .tuple(name, element, fc.array(size), fc.uint8Array(), fc.option(fc.record({ file: name, offset: size })))
  .map(([n, type, shape, bytes, external]) => ({
    name: n,
    type,
    shape,
    bytes: external === null ? bytes : new Uint8Array(bytes.length),
    ...(external === null ? {} : { external }),
  }));
const graph = fc.record<GraphRecord>({
  name,
  nodes: fc.array(
    fc.record({
      op: name,
      domain: name,
      inputs: fc.array(name),
      outputs: fc.array(name),
      attributes: fc.dictionary(key, attribute, { noNullPrototype: true }),
    }),
    { maxLength: 4 },
  ),
  inputs: fc.array(value, { maxLength: 4 }),
  outputs: fc.array(value, { maxLength: 4 }),
  initializers: fc.array(tensor, { maxLength: 4 }),
  opsets: fc.dictionary(key, fc.nat(30), { noNullPrototype: true }),
  metadata: fc.dictionary(key, name, { noNullPrototype: true }),
});

describe('ONNX files', () => {
  it('another reader of protobuf finds all that was written', () => {
    fc.assert(
      fc.property(graph, (record) => {
        expect(modelOf(encodeModel(record))).toEqual(record);
      }),
      { numRuns: 500 },
    );
  });

  it('onnxruntime runs nodes with every kind of attribute, whatever type their tensors have', async () => {
    const g = new Graph('attributes');
    const x = g.input('x', 'float32', ['n', 3]);
    const turned = g.node('Transpose', [x], [3, 'n'], { attributes: { perm: [1, 0] } }); // ints
    const first = g.node('ReduceMax', [turned], [3, 1], { attributes: { axes: [-1], keepdims: 1 } }); // negative
    const leaky = g.node('LeakyRelu', [first], [3, 1], { attributes: { alpha: { float: 0.25 } } }); // float
    const pads = g.constant([4], BigInt64Array.of(1n, 0n, 1n, 0n)); // int64
    const padded = g.node('Pad', [leaky, pads], [5, 1], { attributes: { mode: 'edge' } }); // string
    const index = g.constant([2], Int32Array.of(4, 1)); // int32
    g.output('y', g.node('Gather', [padded, index], [2, 1], { attributes: { axis: 0 } })); // int
    const session = await openSession(g);
    const out = await session.run({ x: float32(Float32Array.of(-8, 2, 3, -4, 1, 9), [2, 3]) });
    expect(out.y!.dims).toEqual([2, 1]);
    expect([...floatsOf(out.y)]).toEqual([9, -1]);
    await session.dispose();
  });

  it('onnxruntime takes a bool and an output that is left out', async () => {
    const g = new Graph('bool');
    const x = g.input('x', 'float32', [3]);
    const record = g.record();
    const model: GraphRecord = {
      ...record,
      initializers: [{ name: 'which', type: 'bool', shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
      nodes: [
        { op: 'Where', domain: '', inputs: ['which', x.name, 'zero'], outputs: ['w'], attributes: {} },
        { op: 'Sub', domain: '', inputs: [x.name, x.name], outputs: ['zero'], attributes: {} },
        { op: 'Dropout', domain: '', inputs: ['w'], outputs: ['y', ''], attributes: {} },
      ].sort((a, b) => Number(a.op !== 'Sub') - Number(b.op !== 'Sub')),
      outputs: [{ name: 'y', type: 'float32', shape: [3] }],
    };
    const session = await openSession({ name: 'bool', encode: () => encodeModel(model) } as Graph);
    expect([...floatsOf((await session.run({ x: float32(Float32Array.of(1, 2, 3), [3]) })).y)]).toEqual([
      1, 0, 3,
    ]);
    await session.dispose();
  });

  it('a graph that onnxruntime refuses is model.failed and names the graph', async () => {
    const g = new Graph('broken');
    g.output('y', g.node('NoSuchOperator', [g.input('x', 'float32', [1])], [1]));
    await expect(openSession(g)).rejects.toMatchObject({
      code: 'model.failed',
      message: expect.stringContaining('broken'),
    });
  });
});
