/** What the builder refuses, and that it names the node, the op and the operands. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ElementType } from '../../../src/graph/element-type.js';
import { Graph, GraphError } from '../../../src/graph/graph.js';
import type { Value } from '../../../src/graph/value.js';
import * as ops from '../../../src/graph/ops.js';
import type { Shape } from '../../../src/graph/dims.js';
import { runGraph } from '../../support/run-graph.js';

function graphWith(...inputs: [dtype: ElementType, shape: Shape][]): [Graph, ...Value[]] {
  const g = new Graph('test');
  return [g, ...inputs.map(([dtype, shape], index) => g.input('abc'[index]!, dtype, shape))];
}

test('a node that does not fit is named with its scopes, its op and its operands', () => {
  const [g, a, b] = graphWith(['float32', ['T', 6]], ['float32', [5, 4]]);
  assert.throws(
    () => g.within('head', () => g.within('fc1', () => ops.matmul(g, a!, b!))),
    (error) =>
      error instanceof GraphError &&
      error.message ===
        'head/fc1/MatMul: inner dims 6 and 5 differ; operands: a float32 [T, 6], b float32 [5, 4]',
  );
  // the scope is left again, also after an error
  assert.equal(ops.relu(g, a!).name, 'Relu:out');
});

const REFUSED: readonly [what: string, build: () => unknown, message: RegExp][] = [
  refusal(
    'dtypes that differ',
    [
      ['float32', [2]],
      ['int64', [2]],
    ],
    (g, a, b) => ops.add(g, a, b),
    /dtypes differ/,
  ),
  refusal(
    'a dtype that the op lacks',
    [
      ['bool', [2]],
      ['bool', [2]],
    ],
    (g, a, b) => ops.add(g, a, b),
    /dtype bool is not one of float32/,
  ),
  refusal('integers into an activation', [['int32', [2]]], (g, a) => ops.relu(g, a), /is int32, not float32/),
  refusal(
    'symbols that do not broadcast',
    [
      ['float32', ['N', 2]],
      ['float32', ['T', 2]],
    ],
    (g, a, b) => ops.mul(g, a, b),
    /\[N, 2\] and \[T, 2\] do not broadcast/,
  ),
  refusal(
    'a vector as a matrix',
    [
      ['float32', [2]],
      ['float32', [2, 2]],
    ],
    (g, a, b) => ops.matmul(g, a, b),
    /rank 2 or more/,
  ),
  refusal(
    'batches that differ',
    [
      ['float32', ['N', 2, 2]],
      ['float32', ['T', 2, 2]],
    ],
    (g, a, b) => ops.matmul(g, a, b),
    /batch dims/,
  ),
  refusal(
    'float operands of an integer product',
    [
      ['float32', [2, 2]],
      ['int8', [2, 2]],
    ],
    (g, a, b) => g.apply('MatMulInteger', [a, b]),
    /8-bit operands wanted/,
  ),
  refusal(
    'integers to quantise',
    [['int32', [2]]],
    (g, a) => g.apply('DynamicQuantizeLinear', [a]),
    /not float32/,
  ),
  refusal(
    'a reshape that loses elements',
    [['float32', ['N', 6]]],
    (g, a) => ops.reshape(g, a, [0, 5]),
    /cannot reshape to \[N, 5\]/,
  ),
  refusal(
    'a reshape whose rest is no whole number',
    [['float32', ['N', 6]]],
    (g, a) => ops.reshape(g, a, [-1, 4]),
    /4 does not divide N\*6/,
  ),
  refusal(
    'a reshape that copies a missing dim',
    [['float32', [6]]],
    (g, a) => ops.reshape(g, a, [6, 0]),
    /target axis 1 copies/,
  ),
  refusal(
    'a permutation that repeats an axis',
    [['float32', [2, 3]]],
    (g, a) => ops.transpose(g, a, [0, 0]),
    /perm \[0, 0\] does not fit/,
  ),
  refusal(
    'a permutation by negative axes, which the runtime has not',
    [['float32', [2, 3]]],
    (g, a) => ops.transpose(g, a, [-1, 0]),
    /perm \[-1, 0\] does not fit rank 2/,
  ),
  refusal(
    'a permutation of another rank',
    [['float32', [2, 3]]],
    (g, a) => ops.transpose(g, a, [0]),
    /perm \[0\] does not fit/,
  ),
  refusal(
    'joined values of other shapes',
    [
      ['float32', [2, 3]],
      ['float32', [2, 4]],
    ],
    (g, a, b) => ops.concat(g, [a, b], 0),
    /shapes differ outside/,
  ),
  refusal(
    'an axis outside the rank',
    [['float32', [2, 3]]],
    (g, a) => ops.sum(g, a, [2]),
    /axis 2 is outside rank 2/,
  ),
  refusal(
    'a condition that is no truth value',
    [
      ['float32', [2]],
      ['float32', [2]],
    ],
    (g, a, b) => ops.where(g, a, a, b),
    /bool condition/,
  ),
  refusal(
    'a scale of another width',
    [
      ['float32', ['N', 4]],
      ['float32', [3]],
    ],
    (g, a, b) => ops.layerNorm(g, a, b, b, 1e-5),
    /scale and bias of shape \[4\]/,
  ),
  refusal(
    'bits of another width',
    [['float32', [2]]],
    (g, a) => ops.bitCast(g, a, 'uint16'),
    /float32 and uint16 differ in width/,
  ),
  refusal(
    'an unknown element type',
    [['float32', [2]]],
    (g, a) => g.apply('Cast', [a], { to: 99 }),
    /unknown element type 99/,
  ),
  refusal('a missing operand', [['float32', [2]]], (g, a) => g.apply('Add', [a]), /input 1 is missing/),
  refusal('a missing attribute', [['float32', [2]]], (g, a) => g.apply('Softmax', [a]), /attribute axis/),
  refusal(
    'axes that only the run knows',
    [
      ['float32', [2]],
      ['int64', [1]],
    ],
    (g, a, b) => g.apply('ReduceSum', [a, b], { keepdims: 0 }),
    /input 1 must be an int64 constant/,
  ),
  refusal(
    'an axis that is inserted outside the rank',
    [['float32', [2]]],
    (g, a) => ops.unsqueeze(g, a, [2]),
    /axis 2 is outside rank 2/,
  ),
  refusal(
    'an axis that is inserted twice',
    [['float32', [2]]],
    (g, a) => ops.unsqueeze(g, a, [0, -3]),
    /axes 0, -3 name one twice/,
  ),
  refusal(
    'a slice of a size that only the run knows, undeclared',
    [['float32', ['N']]],
    (g, a) => ops.slice(g, a, 0, 0, 1),
    /must be declared/,
  ),
  refusal(
    'a computed reshape whose declared shape holds another count',
    [
      ['float32', ['N', 6]],
      ['int64', [2]],
    ],
    (g, a, b) => g.apply('Reshape', [a, b], {}, ['N', 5]),
    /cannot reshape to \[N, 5\]/,
  ),
  refusal(
    'a computed reshape without a declared shape',
    [
      ['float32', ['N', 6]],
      ['int64', [2]],
    ],
    (g, a, b) => g.apply('Reshape', [a, b]),
    /must be declared/,
  ),
  refusal(
    'an undeclared run-time shape',
    [
      ['float32', [2]],
      ['int64', [1]],
    ],
    (g, a, b) => g.apply('Expand', [a, b]),
    /must be declared/,
  ),
  refusal(
    'an expansion that does not fit',
    [
      ['float32', [2]],
      ['int64', [1]],
    ],
    (g, a, b) => ops.expand(g, a, b, [3]),
    /cannot expand to \[3\]/,
  ),
];

function refusal(
  what: string,
  inputs: [ElementType, Shape][],
  build: (g: Graph, a: Value, b: Value) => unknown,
  message: RegExp,
): [string, () => unknown, RegExp] {
  return [
    what,
    () => {
      const [g, a, b] = graphWith(...inputs);
      return build(g, a!, b!);
    },
    message,
  ];
}

for (const [what, build, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(build, (error) => {
      assert.ok(error instanceof GraphError);
      assert.match(error.message, message);
      assert.match(error.message, /^\w+: .*operands: a \w+ \[/, 'names op and operands');
      return true;
    });
  });
}

test('shapes are inferred as the runtime has them, where bounds and axes are negative, outside or computed', async () => {
  const [g, a] = graphWith(['float32', ['N', 6]]);
  const built = {
    fromEnd: ops.slice(g, a!, 1, -4, -1),
    outside: ops.slice(g, a!, 1, -9, 99),
    empty: ops.slice(g, a!, 1, 4, 2),
    inserted: ops.unsqueeze(g, a!, [-1, 0]),
    joined: ops.reshape(g, ops.concat(g, [ops.concat(g, [a!, a!], 0), a!], 0), [-1]),
    computed: g.apply('Reshape', [a!, ops.shapeOf(g, ops.transpose(g, a!, [1, 0]))], {}, [6, 'N'])[0]!,
  };
  assert.deepEqual(Object.fromEntries(Object.entries(built).map(([name, { shape }]) => [name, shape])), {
    fromEnd: ['N', 3],
    outside: ['N', 6],
    empty: ['N', 0],
    inserted: [1, 'N', 6, 1],
    joined: ['N*18'],
    computed: [6, 'N'],
  });
  for (const [name, value] of Object.entries(built)) g.output(name, value);
  // fails where the runtime's shapes are others
  await runGraph(g, { a: Float32Array.from({ length: 18 }, (_, i) => i) }, { N: 3 });
});

test('constants must have the bytes of their shape', () => {
  const g = new Graph('test');
  assert.throws(
    () => g.constant('weight', [2, 3], new Float32Array(5)),
    /constant weight: 20 bytes for float32 \[2, 3\], wanted 24/,
  );
});

test('names are unique whatever is added twice', () => {
  const [g, a] = graphWith(['float32', [2]]);
  const values = [
    ops.relu(g, a!),
    ops.relu(g, a!),
    g.constant('w', [1], Float32Array.of(1)),
    g.constant('w', [1], Float32Array.of(2)),
  ];
  g.output('out', values[0]!);
  const names = [
    ...g.nodes.map(({ name }) => name),
    ...g.nodes.flatMap(({ outputs }) => outputs.map(({ name }) => name)),
    ...g.constants.keys(),
    'a',
  ];
  assert.equal(new Set(names).size, names.length, names.join(' '));
});
