/**
 * A typed ONNX graph under construction: nodes in the order in which they run, each checked when it is added against its
 * op's row in `infer/table.ts`.
 */
import { elementCount } from '../tensor/tensor.js';
import { showShape, type Shape } from './dims.js';
import { ELEMENT_BYTES, type ElementType } from './element-type.js';
import { INFER } from './infer/table.js';
import type { Attributes, Constant, Node, OpType, Value } from './value.js';

/** A node that does not fit: names the node, its op and the operands' dtypes and shapes. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
}

export class Graph {
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly nodes: Node[] = [];
  readonly constants = new Map<string, Constant>();
  /** Names of values through which no derivative flows (`detach` of `ops.ts`). */
  readonly detached = new Set<string>();
  private readonly names = new Set<string>();
  private path: string[] = [];

  constructor(readonly name: string) {}

  /** Runs `body` with `scope` in front of the names that it makes. */
  within<T>(scope: string, body: () => T): T {
    this.path.push(scope);
    try {
      return body();
    } finally {
      this.path.pop();
    }
  }

  input(name: string, dtype: ElementType, shape: Shape): Value {
    const value = { name: this.claim(name), dtype, shape };
    this.inputs.push(value);
    return value;
  }

  /** A float32 constant [shape], its values not copied until the graph is written. */
  constant(name: string, shape: readonly number[], values: Float32Array): Value {
    return this.addConstant(
      name,
      'float32',
      shape,
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
  }

  /** An int64 constant: a shape, axes, slice bounds. */
  integers(name: string, values: readonly number[]): Value {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.addConstant(name, 'int64', [values.length], bytes, values);
  }

  /** A constant of any type from raw little-endian bytes. */
  addConstant(
    name: string,
    dtype: ElementType,
    shape: readonly number[],
    bytes: Uint8Array,
    integers?: readonly number[],
  ): Value {
    const wanted = elementCount(shape) * ELEMENT_BYTES[dtype];
    if (bytes.byteLength !== wanted) {
      throw new GraphError(
        `constant ${name}: ${bytes.byteLength} bytes for ${dtype} ${showShape(shape)}, wanted ${wanted}`,
      );
    }
    const value = { name: this.claim(this.scoped(name)), dtype, shape };
    this.constants.set(value.name, { value, bytes, ...(integers ? { integers } : {}) });
    return value;
  }

  /**
   * Adds a node and returns its outputs, in the order in which its rule names them. `declared` is the result's shape
   * where it depends on values that only the running graph knows.
   */
  apply(
    op: OpType,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    declared?: Shape,
  ): Value[] {
    const name = this.claim(this.scoped(op));
    let inferred;
    try {
      inferred = INFER[op]({
        inputs,
        attributes,
        ...(declared ? { declared } : {}),
        integersOf: (value) => this.constants.get(value.name)?.integers,
      });
    } catch (error) {
      const operands = inputs.map((value) =>
        value ? `${value.name} ${value.dtype} ${showShape(value.shape)}` : 'none',
      );
      throw new GraphError(`${name}: ${(error as Error).message}; operands: ${operands.join(', ')}`, {
        cause: error,
      });
    }
    const outputs = inferred.map(({ dtype, shape }, index) => ({
      name: this.claim(index === 0 ? `${name}:out` : `${name}:out${index}`),
      dtype,
      shape,
    }));
    this.nodes.push({ name, op, inputs, outputs, attributes });
    return outputs;
  }

  /** Names `value` as a graph output. */
  output(name: string, value: Value): void {
    const out = { ...value, name: this.claim(name) };
    this.nodes.push({
      name: this.claim(`${name}/Identity`),
      op: 'Identity',
      inputs: [value],
      outputs: [out],
      attributes: {},
    });
    this.outputs.push(out);
  }

  private scoped(name: string): string {
    return [...this.path, name].join('/');
  }

  private claim(name: string): string {
    let unique = name;
    for (let count = 2; this.names.has(unique); count++) unique = `${name}#${count}`;
    this.names.add(unique);
    return unique;
  }
}
