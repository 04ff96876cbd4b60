/** Derivatives of each op, first and second order, run by ONNX Runtime and held against finite differences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor as OrtTensor } from '../../../src/engine/onnx-runtime.js';
import type { Shape } from '../../../src/graph/dims.js';
import { gradientsOf } from '../../../src/graph/differentiate/gradients.js';
import { DERIVATIVES } from '../../../src/graph/differentiate/table.js';
import { Graph, GraphError } from '../../../src/graph/graph.js';
import { writeOnnx } from '../../../src/graph/onnx.js';
import * as ops from '../../../src/graph/ops.js';
import type { OpType, Value } from '../../../src/graph/value.js';
import { uniform } from '../../support/bundles.js';
import { assertClose } from '../../support/numbers.js';
import { bound, runGraph } from '../../support/run-graph.js';

/** Step of the central differences: rounding (1e-7 / step) and curvature (step^2) weigh about the same. */
const STEP = 2 ** -6;
/** Relative to the largest element; what float32 leaves of a difference. */
const TOLERANCE = 4e-3;
const SIZES = { N: 2, M: 3 };

interface Case {
  readonly op: OpType;
  readonly what?: string;
  readonly inputs: Readonly<Record<string, Shape>>;
  /** Inputs are drawn from here; default [-1.5, 1.5]. Kinks lie outside. */
  readonly range?: readonly [number, number];
  readonly build: (g: Graph, inputs: Record<string, Value>) => Value | readonly Value[];
}

const CASES: readonly Case[] = [
  { op: 'Abs', inputs: { x: ['N', 3] }, range: [0.2, 2], build: (g, { x }) => ops.abs(g, ops.neg(g, x!)) },
  {
    op: 'Add',
    inputs: { x: ['N', 3], y: [3], z: ['N', 1] },
    build: (g, { x, y, z }) => ops.add(g, ops.add(g, x!, y!), z!),
  },
  { op: 'Cast', inputs: { x: ['N', 3] }, build: (g, { x }) => ops.cast(g, x!, 'float32') },
  {
    op: 'Concat',
    inputs: { x: ['N', 2], y: ['N', 3] },
    build: (g, { x, y }) => ops.concat(g, [x!, ops.mul(g, y!, y!), x!], 1),
  },
  {
    op: 'Div',
    inputs: { x: ['N', 3], y: [3] },
    range: [0.5, 2],
    build: (g, { x, y }) => ops.div(g, x!, y!),
  },
  {
    op: 'Expand',
    inputs: { row: [3], like: ['N', 3] },
    build: (g, { row, like }) => ops.mul(g, ops.expand(g, row!, ops.shapeOf(g, like!), ['N', 3]), like!),
  },
  { op: 'Identity', inputs: { x: ['N', 3] }, build: (g, { x }) => g.apply('Identity', [x])[0]! },
  {
    op: 'LayerNormalization',
    what: 'with scale, bias and statistics',
    inputs: { x: ['N', 4], scale: [4], bias: [4] },
    build: (g, { x, scale, bias }) => Object.values(ops.layerNorm(g, x!, scale!, bias!, 0.1)) as Value[],
  },
  {
    op: 'LayerNormalization',
    what: 'plain',
    inputs: { x: ['N', 4] },
    build: (g, { x }) => {
      const [scale, bias] = [1, 0].map((value) => g.constant('c', [4], new Float32Array(4).fill(value)));
      return Object.values(ops.layerNorm(g, x!, scale!, bias!, 0.1)) as Value[];
    },
  },
  { op: 'LogSoftmax', inputs: { x: ['N', 3] }, build: (g, { x }) => ops.logSoftmax(g, x!) },
  {
    op: 'LogSoftmax',
    what: 'along the first axis',
    inputs: { x: ['N', 3] },
    build: (g, { x }) => g.apply('LogSoftmax', [x], { axis: 0 })[0]!,
  },
  {
    op: 'MatMul',
    inputs: { x: ['N', 3], w: [3, 2] },
    build: (g, { x, w }) => ops.matmul(g, x!, w!),
  },
  {
    op: 'MatMul',
    what: 'rows of a batch by one matrix',
    inputs: { x: [2, 'M', 3], w: [3, 2] },
    build: (g, { x, w }) => ops.matmul(g, x!, w!),
  },
  {
    op: 'MatMul',
    what: 'broadcast batches',
    inputs: { x: [2, 'M', 3], y: ['N', 1, 3, 2] },
    build: (g, { x, y }) => ops.matmul(g, x!, y!),
  },
  {
    op: 'Mul',
    inputs: { x: ['N', 3], y: [1, 3] },
    build: (g, { x, y }) => ops.mul(g, ops.mul(g, x!, y!), x!),
  },
  { op: 'Neg', inputs: { x: ['N', 3] }, build: (g, { x }) => ops.neg(g, x!) },
  {
    op: 'Pad',
    inputs: { x: ['N', 2] },
    build: (g, { x }) => [
      ops.padLast(g, x!, 2),
      g.apply('Pad', [x, g.integers('pads', [1, 0, 2, 0])])[0]!,
      g.apply('Pad', [x, g.integers('pads', [0, 1, 0, 0])])[0]!,
    ],
  },
  {
    op: 'ReduceSum',
    inputs: { x: ['N', 3, 2] },
    build: (g, { x }) => [ops.sum(g, x!, [0, -1]), ops.sum(g, x!, [1], 1)],
  },
  { op: 'Relu', inputs: { x: ['N', 3] }, range: [0.2, 2], build: (g, { x }) => bothSides(g, x!, ops.relu) },
  {
    op: 'Reshape',
    inputs: { x: ['N', 'M', 4] },
    build: (g, { x }) => [
      ops.reshape(g, x!, [0, 0, 2, 2]),
      ops.reshape(g, x!, [-1, 4]),
      ops.reshape(g, x!, [2, -1]),
    ],
  },
  { op: 'Sigmoid', inputs: { x: ['N', 3] }, build: (g, { x }) => ops.sigmoid(g, x!) },
  {
    op: 'Slice',
    inputs: { x: [3, 5] },
    build: (g, { x }) => [
      ops.slice(g, x!, 1, -4, -1),
      ops.slice(g, x!, 0, 1, 99),
      ops.slice(g, x!, -1, 2, 3),
      ops.slice(g, x!, 1, -99, 2),
    ],
  },
  { op: 'Softmax', inputs: { x: ['N', 3] }, build: (g, { x }) => ops.softmax(g, x!) },
  { op: 'Softplus', inputs: { x: ['N', 3] }, build: (g, { x }) => ops.softplus(g, x!) },
  { op: 'Sqrt', inputs: { x: ['N', 3] }, range: [0.5, 2], build: (g, { x }) => ops.sqrt(g, x!) },
  {
    op: 'Sub',
    inputs: { x: [1, 3], y: ['N', 1] },
    build: (g, { x, y }) => ops.sub(g, x!, y!),
  },
  {
    op: 'Transpose',
    inputs: { x: ['N', 3, 2] },
    build: (g, { x }) => ops.transpose(g, x!, [1, 2, 0]),
  },
  {
    op: 'Unsqueeze',
    inputs: { x: ['N', 'M'] },
    build: (g, { x }) => ops.unsqueeze(g, x!, [-1, 0]),
  },
  {
    op: 'Where',
    inputs: { x: ['N', 3], y: [3] },
    build: (g, { x, y }) => {
      const condition = g.addConstant('condition', 'bool', [1, 3], Uint8Array.of(1, 0, 1));
      return ops.where(g, condition, x!, y!);
    },
  },
];

/** f of values above and below zero, away from it. */
function bothSides(g: Graph, x: Value, f: (g: Graph, x: Value) => Value): Value[] {
  return [f(g, x), f(g, ops.neg(g, x))];
}

/** Sum of all values, each element curved (so that second derivatives are not all zero) and with a weight of its own. */
function weighed(g: Graph, values: readonly Value[]): Value {
  const parts = values.map((value) => {
    const weights = g.input('weights', 'float32', value.shape);
    const curved = ops.add(g, value, ops.mul(g, value, value));
    return ops.sum(g, ops.mul(g, curved, weights), [...value.shape.keys()]);
  });
  return parts.reduce((all, part) => ops.add(g, all, part));
}

for (const [index, { op, what, inputs, range = [-1.5, 1.5], build }] of CASES.entries()) {
  test(`${op}${what === undefined ? '' : `, ${what}`}: first and second derivatives`, async () => {
    const random = uniform(index + 1);
    const g = new Graph(op);
    const names = Object.keys(inputs);
    const values = names.map((name) => g.input(name, 'float32', inputs[name]!));
    const built = build(g, Object.fromEntries(values.map((value) => [value.name, value])));
    assert.ok(
      g.nodes.some((node) => node.op === op),
      'the case holds its op',
    );
    const loss = weighed(g, Array.isArray(built) ? (built as readonly Value[]) : [built as Value]);
    const first = gradientsOf(g, loss, values);
    const slope = weighed(g, first);
    const second = gradientsOf(g, slope, values);
    g.output('loss', loss);
    g.output('slope', slope);
    for (const [i, name] of names.entries()) {
      g.output(`first ${name}`, first[i]!);
      g.output(`second ${name}`, second[i]!);
    }
    const [low, high] = range;
    const point: Record<string, Float32Array> = {};
    for (const value of g.inputs) {
      const count = bound(value, SIZES).reduce((a, b) => a * b, 1);
      point[value.name] = Float32Array.from({ length: count }, () => low + (high - low) * random());
    }
    const session = await InferenceSession.create(writeOnnx(g), {
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    const run = (at: Record<string, Float32Array>): Promise<InferenceSession.OnnxValueMapType> =>
      session.run(
        Object.fromEntries(
          g.inputs.map((value) => [
            value.name,
            new OrtTensor('float32', at[value.name]!, bound(value, SIZES)),
          ]),
        ),
      );
    try {
      const found = await run(point);
      for (const [order, scalarName] of [
        ['first', 'loss'],
        ['second', 'slope'],
      ] as const) {
        for (const name of names) {
          const wanted: number[] = [];
          for (const [i, element] of point[name]!.entries()) {
            const at = async (offset: number): Promise<number> => {
              const moved = Float32Array.from(point[name]!);
              moved[i] = element + offset;
              return (await run({ ...point, [name]: moved }))[scalarName]!.data[0] as number;
            };
            wanted.push(((await at(STEP)) - (await at(-STEP))) / (2 * STEP));
          }
          const largest = Math.max(1, ...wanted.map(Math.abs));
          const key = `${order} ${name}`;
          assertClose(found[key]!.data as Float32Array, wanted, TOLERANCE * largest, key);
        }
      }
    } finally {
      await session.release();
    }
  });
}

test('every op has a case here, or says why it has no derivative', () => {
  const covered = new Set(CASES.map(({ op }) => op));
  for (const [op, derivative] of Object.entries(DERIVATIVES)) {
    if (derivative.kind === 'rule') assert.ok(covered.has(op as OpType), `${op} has a rule and no case`);
    else assert.match(derivative.why, /\w+ \w+/, `${op} has a reason`);
  }
});

test('dead branches get no nodes, shared parts are walked once', () => {
  const g = new Graph('sparing');
  const x = g.input('x', 'float32', ['N']);
  const other = g.input('other', 'float32', ['N']);
  ops.sigmoid(g, x); // leads nowhere
  const still = ops.sigmoid(g, other); // does not move with x
  const shared = ops.relu(g, x);
  const loss = ops.sum(g, ops.mul(g, ops.add(g, shared, shared), still), [0]);
  const before = g.nodes.length;
  gradientsOf(g, loss, [x]);
  const added = g.nodes.slice(before).map(({ op }) => op);
  assert.equal(added.filter((op) => op === 'Greater').length, 1, added.join(' '));
  assert.ok(!added.includes('Sub'), 'no derivative of a sigmoid');
});

test('what was detached passes no gradient on, and what the loss does not read has gradient zero', async () => {
  const g = new Graph('detached');
  const x = g.input('x', 'float32', ['N']);
  const unread = g.input('unread', 'float32', ['N', 2]);
  const loss = ops.sum(g, ops.mul(g, ops.detach(g, x), x), [0]);
  const [dx, zero] = gradientsOf(g, loss, [x, unread]);
  g.output('dx', dx!);
  g.output('zero', zero!);
  const found = await runGraph(g, { x: Float32Array.of(3, -5), unread: Float32Array.of(1, 2, 3, 4) }, SIZES);
  assert.deepEqual([...(found.get('dx')!.data as Float32Array)], [3, -5]);
  assert.deepEqual([...(found.get('zero')!.data as Float32Array)], [0, 0, 0, 0]);
});

test('a gradient that cannot be is refused, with the node and the reason', () => {
  const g = new Graph('refused');
  const x = g.input('x', 'float32', ['N']);
  const bits = g.input('bits', 'int32', ['N']);
  const loss = ops.sum(g, ops.mul(g, x, ops.bitCast(g, bits, 'float32')), [0]);
  assert.throws(
    () => gradientsOf(g, ops.relu(g, x), [x]),
    /float32 \[N\], wanted a float32 scalar; sum it first/,
  );
  assert.throws(() => gradientsOf(g, loss, [bits]), /gradient by bits: int32, wanted float32/);
  const [words] = g.apply('DynamicQuantizeLinear', [x]);
  const steps = ops.sum(g, ops.cast(g, words!, 'float32'), [0]);
  assert.doesNotThrow(() => gradientsOf(g, steps, [x]), 'integers end the dependence');
  const reread = ops.sum(g, ops.bitCast(g, ops.bitCast(g, x, 'int32'), 'float32'), [0]);
  assert.doesNotThrow(() => gradientsOf(g, reread, [x]));
  const joined = ops.sum(g, ops.concat(g, [x, x], 0), [0]);
  assert.throws(
    () => gradientsOf(g, joined, [x]),
    (error) =>
      error instanceof GraphError &&
      /derivative of Concat.*N, a size that only the run knows/.test(error.message),
  );
});
