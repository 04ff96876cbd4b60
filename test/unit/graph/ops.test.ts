/** Each op that has a rule, written as ONNX, run by ONNX Runtime and compared with numbers worked out here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tensor as OrtTensor } from '../../../src/engine/onnx-runtime.js';
import type { ElementType } from '../../../src/graph/element-type.js';
import { tokenInput } from '../../../src/energy/tokens.js';
import { Graph } from '../../../src/graph/graph.js';
import type { OpType, Value } from '../../../src/graph/value.js';
import * as ops from '../../../src/graph/ops.js';
import { INFER } from '../../../src/graph/infer/table.js';
import type { Shape } from '../../../src/graph/dims.js';
import { float16ToNumber } from '../../../src/tensor/tensor.js';
import { assertClose } from '../../support/numbers.js';
import { runGraph } from '../../support/run-graph.js';

type Input = readonly [dtype: ElementType, shape: Shape, data: OrtTensor['data']];

interface OpCase {
  readonly op: OpType;
  readonly inputs: Readonly<Record<string, Input>>;
  readonly build: (g: Graph, inputs: Record<string, Value>) => Value | readonly Value[];
  /** Elements of each output. */
  readonly wanted: readonly (readonly number[])[];
}

const N = 2;
const f32 = (...values: number[]): Float32Array => Float32Array.from(values);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const x23: Input = ['float32', ['N', 3], f32(1, -2, 3, -4, 5, -6)];
const row3: Input = ['float32', [3], f32(10, 20, 30)];

/** Two rows of three by the definition of layer normalisation. */
function normalised(epsilon: number): { out: number[]; mean: number[]; inverseStd: number[] } {
  const rows = [
    [1, -2, 3],
    [-4, 5, -6],
  ];
  const scale = [10, 20, 30];
  const bias = [1, 2, 3];
  const mean = rows.map((row) => row.reduce((a, b) => a + b) / 3);
  const inverseStd = rows.map(
    (row, i) => 1 / Math.sqrt(row.reduce((sum, x) => sum + (x - mean[i]!) ** 2, 0) / 3 + epsilon),
  );
  const out = rows.flatMap((row, i) =>
    row.map((x, j) => (x - mean[i]!) * inverseStd[i]! * scale[j]! + bias[j]!),
  );
  return { out, mean, inverseStd };
}
const norm = normalised(1e-5);
const exp23 = [1, -2, 3].map(Math.exp);
const exp23b = [-4, 5, -6].map(Math.exp);
const total = (values: number[]): number => values.reduce((a, b) => a + b);

const CASES: readonly OpCase[] = [
  {
    op: 'Add',
    inputs: { x: x23, y: row3 },
    build: (g, { x, y }) => ops.add(g, x!, y!),
    wanted: [[11, 18, 33, 6, 25, 24]],
  },
  {
    op: 'Mul',
    inputs: { x: x23, y: row3 },
    build: (g, { x, y }) => ops.mul(g, x!, y!),
    wanted: [[10, -40, 90, -40, 100, -180]],
  },
  {
    op: 'Sub',
    inputs: { x: x23, y: row3 },
    build: (g, { x, y }) => ops.sub(g, x!, y!),
    wanted: [[-9, -22, -27, -14, -15, -36]],
  },
  {
    op: 'Div',
    inputs: { x: x23, y: row3 },
    build: (g, { x, y }) => ops.div(g, x!, y!),
    wanted: [[0.1, -0.1, 0.1, -0.4, 0.25, -0.2]],
  },
  {
    op: 'Neg',
    inputs: { x: x23 },
    build: (g, { x }) => ops.neg(g, x!),
    wanted: [[-1, 2, -3, 4, -5, 6]],
  },
  {
    op: 'Abs',
    inputs: { x: x23 },
    build: (g, { x }) => ops.abs(g, x!),
    wanted: [[1, 2, 3, 4, 5, 6]],
  },
  {
    op: 'Sign',
    inputs: { x: ['float32', ['N'], f32(-0.5, 0)] },
    build: (g, { x }) => ops.sign(g, x!),
    wanted: [[-1, 0]],
  },
  {
    op: 'Sqrt',
    inputs: { x: ['float32', ['N'], f32(4, 2)] },
    build: (g, { x }) => ops.sqrt(g, x!),
    wanted: [[2, Math.SQRT2]],
  },
  {
    op: 'Greater',
    inputs: { x: x23, y: ['float32', [3], f32(1, 0, 0)] },
    build: (g, { x, y }) => ops.greater(g, x!, y!),
    wanted: [[0, 0, 1, 0, 1, 0]],
  },
  {
    op: 'BitCast',
    inputs: { x: ['uint32', ['N'], Uint32Array.of(0x3f80_0000, 0xc000_0000)] },
    build: (g, { x }) => ops.bitCast(g, x!, 'float32'),
    wanted: [[1, -2]],
  },
  {
    op: 'Relu',
    inputs: { x: x23 },
    build: (g, { x }) => ops.relu(g, x!),
    wanted: [[1, 0, 3, 0, 5, 0]],
  },
  {
    op: 'Sigmoid',
    inputs: { x: x23 },
    build: (g, { x }) => ops.sigmoid(g, x!),
    wanted: [[1, -2, 3, -4, 5, -6].map(sigmoid)],
  },
  {
    op: 'Softplus',
    inputs: { x: ['float32', ['N'], f32(-1, 100)] },
    build: (g, { x }) => ops.softplus(g, x!),
    wanted: [[Math.log1p(Math.exp(-1)), 100]],
  },
  {
    op: 'Identity',
    inputs: { x: x23 },
    build: (g, { x }) => g.apply('Identity', [x]),
    wanted: [[1, -2, 3, -4, 5, -6]],
  },
  {
    op: 'Cast',
    inputs: { x: ['int64', ['N'], BigInt64Array.of(-1n, 1n << 24n)] },
    build: (g, { x }) => ops.cast(g, x!, 'float32'),
    wanted: [[-1, 2 ** 24]],
  },
  {
    op: 'MatMul',
    inputs: { x: x23, w: ['float32', [3, 2], f32(1, 2, 3, 4, 5, 6)] },
    build: (g, { x, w }) => ops.matmul(g, x!, w!),
    wanted: [[1 - 6 + 15, 2 - 8 + 18, -4 + 15 - 30, -8 + 20 - 36]],
  },
  {
    op: 'MatMulInteger',
    inputs: {
      x: ['uint8', ['N', 2], Uint8Array.of(1, 2, 255, 0)],
      w: ['int8', [2, 2], Int8Array.of(-1, 2, 3, -128)],
    },
    build: (g, { x, w }) => g.apply('MatMulInteger', [x, w]),
    wanted: [[5, -254, -255, 510]],
  },
  {
    op: 'DynamicQuantizeLinear',
    // range [-1, 1.55]: scale 0.01, zero point 100
    inputs: { x: ['float32', ['N', 2], f32(-1, 0, 1, 1.55)] },
    build: (g, { x }) => g.apply('DynamicQuantizeLinear', [x]),
    wanted: [[0, 100, 200, 255], [0.01], [100]],
  },
  {
    op: 'Softmax',
    inputs: { x: x23 },
    build: (g, { x }) => ops.softmax(g, x!),
    wanted: [[...exp23.map((e) => e / total(exp23)), ...exp23b.map((e) => e / total(exp23b))]],
  },
  {
    op: 'LogSoftmax',
    inputs: { x: x23 },
    build: (g, { x }) => ops.logSoftmax(g, x!),
    wanted: [
      [
        ...[1, -2, 3].map((x) => x - Math.log(total(exp23))),
        ...[-4, 5, -6].map((x) => x - Math.log(total(exp23b))),
      ],
    ],
  },
  {
    op: 'LayerNormalization',
    inputs: { x: x23, scale: row3, bias: ['float32', [3], f32(1, 2, 3)] },
    build: (g, { x, scale, bias }) => Object.values(ops.layerNorm(g, x!, scale!, bias!, 1e-5)) as Value[],
    wanted: [norm.out, norm.mean, norm.inverseStd],
  },
  {
    op: 'Reshape',
    inputs: { x: ['float32', ['N', 2, 2], f32(1, 2, 3, 4, 5, 6, 7, 8)] },
    build: (g, { x }) => [ops.reshape(g, x!, [0, -1]), ops.reshape(g, x!, [-1, 2])],
    wanted: [
      [1, 2, 3, 4, 5, 6, 7, 8],
      [1, 2, 3, 4, 5, 6, 7, 8],
    ],
  },
  {
    op: 'Transpose',
    inputs: { x: x23 },
    build: (g, { x }) => ops.transpose(g, x!, [1, 0]),
    wanted: [[1, -4, -2, 5, 3, -6]],
  },
  {
    op: 'Expand',
    inputs: { row: row3, like: x23 },
    build: (g, { row, like }) => ops.expand(g, row!, ops.shapeOf(g, like!), ['N', 3]),
    wanted: [[10, 20, 30, 10, 20, 30]],
  },
  {
    op: 'Concat',
    inputs: { x: x23, y: ['float32', ['N', 1], f32(7, 8)] },
    build: (g, { x, y }) => [ops.concat(g, [x!, y!], 1), ops.concat(g, [x!, x!], 0)],
    wanted: [
      [1, -2, 3, 7, -4, 5, -6, 8],
      [1, -2, 3, -4, 5, -6, 1, -2, 3, -4, 5, -6],
    ],
  },
  {
    op: 'Shape',
    inputs: { x: x23 },
    build: (g, { x }) => ops.shapeOf(g, x!),
    wanted: [[N, 3]],
  },
  {
    op: 'Slice',
    inputs: { x: x23, end: ['int64', [1], BigInt64Array.of(1n)] },
    build: (g, { x, end }) => [ops.slice(g, x!, 1, 1, 3), ops.firstRows(g, x!, end!, 'M')],
    wanted: [
      [-2, 3, 5, -6],
      [1, -2, 3],
    ],
  },
  {
    op: 'Pad',
    inputs: { x: x23 },
    build: (g, { x }) => ops.padLast(g, x!, 1),
    wanted: [[1, -2, 3, 0, -4, 5, -6, 0]],
  },
  {
    op: 'Unsqueeze',
    inputs: { x: x23 },
    build: (g, { x }) => ops.unsqueeze(g, x!, [1]),
    wanted: [[1, -2, 3, -4, 5, -6]],
  },
  {
    op: 'Where',
    inputs: { mask: ['bool', ['N', 1], Uint8Array.of(1, 0)], x: x23, y: row3 },
    build: (g, { mask, x, y }) => ops.where(g, mask!, x!, y!),
    wanted: [[1, -2, 3, 10, 20, 30]],
  },
  {
    op: 'ReduceSum',
    inputs: { x: x23 },
    build: (g, { x }) => [ops.sum(g, x!, [0]), ops.sum(g, x!, [1], 1)],
    wanted: [
      [-3, 3, -3],
      [2, -5],
    ],
  },
];

test('every op that has a rule has a case here', () => {
  const covered = new Set(CASES.map(({ op }) => op));
  assert.deepEqual([...covered].sort(), Object.keys(INFER).sort());
});

for (const { op, inputs, build, wanted } of CASES) {
  test(`${op} on ONNX Runtime`, async () => {
    const g = new Graph(op);
    const entries = Object.entries(inputs);
    const values = entries.map(([name, [dtype, shape]]) => [name, g.input(name, dtype, shape)]);
    const built = build(g, Object.fromEntries(values) as Record<string, Value>);
    const outputs = Array.isArray(built) ? (built as readonly Value[]) : [built as Value];
    for (const [index, value] of outputs.entries()) g.output(`out${index}`, value);
    assert.ok(g.nodes.some((node) => node.op === op));
    const feeds = Object.fromEntries(entries.map(([name, [, , data]]) => [name, data]));
    const results = await runGraph(g, feeds, { N, M: 1 });
    assert.equal(results.size, wanted.length);
    for (const [index, elements] of wanted.entries()) {
      const found = Array.from(results.get(`out${index}`)!.data as ArrayLike<number | bigint>, Number);
      // float32 of the runtime against float64 here
      const largest = Math.max(...elements.map(Math.abs), 1);
      assertClose(found, elements, 1e-6 * largest, `out${index}`);
    }
  });
}

test('softmax is stable: large inputs of one row neither overflow nor lose the others', async () => {
  const g = new Graph('softmax');
  g.output('out', ops.softmax(g, g.input('x', 'float32', [2, 2])));
  const { data } = (await runGraph(g, { x: f32(1e30, 1e30, -500, 500) })).get('out')!;
  assert.deepEqual([...(data as Float32Array)], [0.5, 0.5, 0, 1]);
});

for (const [dtype, wanted] of [
  ['bfloat16', (word: number) => new Float32Array(Uint32Array.of(word << 16).buffer)[0]!],
  ['float16', float16ToNumber],
] as const) {
  test(`all ${dtype} words widen exactly inside the graph: BitCast, then Cast`, async () => {
    const g = new Graph('widen');
    g.output('out', tokenInput(g, 'x', dtype, ['N']));
    const x = Uint16Array.from({ length: 0x10000 }, (_, word) => word);
    const { data } = (await runGraph(g, { x }, { N: x.length })).get('out')!;
    const differs = x.find((word) => !Object.is(data[word], wanted(word)));
    assert.equal(differs, undefined);
  });
}

// What the finiteness checks of the engine stand on: nothing in the trunks may turn a NaN into a number. WebGPU's
// shaders promise no such thing (WGSL, 15.7.2).
for (const op of ['Relu', 'Sigmoid', 'Softplus'] as const) {
  test(`${op} yields NaN for NaN, wherever in a vector register it stands`, async () => {
    const g = new Graph(op);
    g.output('out', g.apply(op, [g.input('x', 'float32', ['N'])])[0]!);
    for (let at = 0; at < 19; at++) {
      for (const nan of [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001]) {
        const x = new Float32Array(19).fill(-1);
        new Uint32Array(x.buffer)[at] = nan;
        const { data } = (await runGraph(g, { x }, { N: 19 })).get('out')!;
        const found = Array.from(data as Float32Array, Number.isNaN);
        assert.deepEqual(
          found,
          Array.from({ length: 19 }, (_, i) => i === at),
        );
      }
    }
  });
}
