/**
 * Writes a graph as an ONNX ModelProto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), through protobufjs.
 * Only the messages and fields in use are described.
 */
import protobuf from 'protobufjs';
import type { Graph } from './graph.js';
import type { Attribute, FloatAttribute, Node, Value } from './value.js';
import { ONNX_TYPE } from './element-type.js';

/** ONNX operator set of the engine's graphs; 26 brings BitCast. */
export const OPSET = 26;

/** ONNX file format version that belongs to an operator set (onnx/docs/Versioning.md). */
function irVersion(opset: number): number {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  if (opset === 23) return 11;
  return opset === 24 ? 12 : 13;
}

const repeated = { rule: 'repeated' };
const schema = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        ModelProto: {
          fields: {
            irVersion: { id: 1, type: 'int64' },
            producerName: { id: 2, type: 'string' },
            producerVersion: { id: 3, type: 'string' },
            docString: { id: 6, type: 'string' },
            graph: { id: 7, type: 'GraphProto' },
            opsetImport: { id: 8, type: 'OperatorSetId', ...repeated },
            metadataProps: { id: 14, type: 'StringStringEntry', ...repeated },
          },
        },
        OperatorSetId: { fields: { domain: { id: 1, type: 'string' }, version: { id: 2, type: 'int64' } } },
        StringStringEntry: { fields: { key: { id: 1, type: 'string' }, value: { id: 2, type: 'string' } } },
        GraphProto: {
          fields: {
            node: { id: 1, type: 'NodeProto', ...repeated },
            name: { id: 2, type: 'string' },
            initializer: { id: 5, type: 'TensorProto', ...repeated },
            input: { id: 11, type: 'ValueInfo', ...repeated },
            output: { id: 12, type: 'ValueInfo', ...repeated },
          },
        },
        NodeProto: {
          fields: {
            input: { id: 1, type: 'string', ...repeated },
            output: { id: 2, type: 'string', ...repeated },
            name: { id: 3, type: 'string' },
            opType: { id: 4, type: 'string' },
            attribute: { id: 5, type: 'AttributeProto', ...repeated },
          },
        },
        AttributeProto: {
          fields: {
            name: { id: 1, type: 'string' },
            f: { id: 2, type: 'float' },
            i: { id: 3, type: 'int64' },
            s: { id: 4, type: 'bytes' },
            ints: { id: 8, type: 'int64', ...repeated },
            type: { id: 20, type: 'int32' },
          },
        },
        TensorProto: {
          fields: {
            dims: { id: 1, type: 'int64', ...repeated },
            dataType: { id: 2, type: 'int32' },
            name: { id: 8, type: 'string' },
            rawData: { id: 9, type: 'bytes' },
          },
        },
        ValueInfo: { fields: { name: { id: 1, type: 'string' }, type: { id: 2, type: 'TypeProto' } } },
        TypeProto: { fields: { tensorType: { id: 1, type: 'TensorType' } } },
        TensorType: { fields: { elemType: { id: 1, type: 'int32' }, shape: { id: 2, type: 'TensorShape' } } },
        TensorShape: { fields: { dim: { id: 1, type: 'Dimension', ...repeated } } },
        Dimension: { fields: { dimValue: { id: 1, type: 'int64' }, dimParam: { id: 2, type: 'string' } } },
      },
    },
  },
});
const ModelProto = schema.lookupType('onnx.ModelProto');

/** AttributeProto.AttributeType of onnx.proto. */
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 };

function attributeProto(name: string, value: Attribute | FloatAttribute): object {
  if (typeof value === 'number') return { name, i: value, type: ATTRIBUTE.int };
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: ATTRIBUTE.string };
  if ('float' in value) return { name, f: value.float, type: ATTRIBUTE.float };
  return { name, ints: value, type: ATTRIBUTE.ints };
}

function valueInfo({ name, dtype, shape }: Value): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ONNX_TYPE[dtype], shape: { dim } } } };
}

export interface ModelMetadata {
  /** Default `OPSET`. */
  readonly opset?: number;
  readonly doc?: string;
  /** Free key-value pairs that travel with the file. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** The nodes that an output needs, in order: what was built and is not read does not run. */
function liveNodes(graph: Graph): Node[] {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const live = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some(({ name }) => needed.has(name))) return false;
    for (const input of node.inputs) if (input) needed.add(input.name);
    return true;
  });
  return live.reverse();
}

/** The graph as the bytes of an `.onnx` file, weights inside. */
export function writeOnnx(
  graph: Graph,
  { opset = OPSET, doc = '', properties = {} }: ModelMetadata = {},
): Uint8Array {
  const nodes = liveNodes(graph);
  const used = new Set(nodes.flatMap((node) => node.inputs.map((value) => value?.name)));
  const initializers = [...graph.constants.values()].filter(({ value }) => used.has(value.name));
  return ModelProto.encode({
    irVersion: irVersion(opset),
    producerName: 'action-energy',
    docString: doc,
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(properties).map(([key, value]) => ({ key, value })),
    graph: {
      name: graph.name,
      node: nodes.map((node) => ({
        name: node.name,
        opType: node.op,
        input: node.inputs.map((value) => value?.name ?? ''),
        output: node.outputs.map((value) => value.name),
        attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
      })),
      initializer: initializers.map(({ value, bytes }) => ({
        name: value.name,
        dims: value.shape,
        dataType: ONNX_TYPE[value.dtype],
        rawData: bytes,
      })),
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
    },
  }).finish();
}
