import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  broadcast,
  difference,
  product,
  quotient,
  sameCount,
  sameDim,
  sameShape,
  total,
  type Dim,
} from '../../../src/graph/dims.js';

const dim: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 1, max: 5 }),
  fc.constantFrom('N', 'H', 'T', 'N*H', 'H*2', 'N+H', 'T+N*2', 'H+3'),
);
const shape = fc.array(dim, { maxLength: 4 });

/** The number of elements for given sizes: an independent reading of products. */
function count(dims: readonly Dim[], sizes: Record<string, number>): number {
  const term = (text: string): number =>
    text.split('*').reduce((all, factor) => all * (sizes[factor] ?? Number(factor)), 1);
  const sum = (dim: Dim): number =>
    String(dim)
      .split('+')
      .reduce((all, text) => all + term(text), 0);
  return dims.reduce<number>((all, dim) => all * sum(dim), 1);
}
const SIZES = { N: 7, H: 11, T: 13 };

test('a product is a number when all factors are, else its symbols in order and one number', () => {
  assert.equal(product([2, 3]), 6);
  assert.equal(product([]), 1);
  assert.equal(product(['N', 'H']), 'H*N');
  assert.equal(product(['H*2', 4, 'B']), 'B*H*8');
});

test('a product has the value of its factors, in any order and grouping', () => {
  fc.assert(
    fc.property(shape, fc.integer({ min: 0, max: 4 }), (dims, cut) => {
      assert.equal(count([product(dims)], SIZES), count(dims, SIZES));
      const grouped = [product(dims.slice(0, cut)), product(dims.slice(cut))].reverse();
      assert.ok(sameCount(dims, grouped));
    }),
  );
});

test('a product of a sum is multiplied out: no parentheses, one order', () => {
  assert.equal(product(['N+M', 8]), 'M*8+N*8');
  assert.equal(product(['N+1', 'N+2']), 'N*N+N*3+2');
  assert.equal(total(['N', 'M']), 'M+N');
  assert.equal(total(['N', 2, 'N', 3]), 'N*2+5');
  assert.equal(total([]), 0);
  assert.ok(sameDim('N+M', 'M+N'));
  assert.ok(!sameDim('N+M*8', product(['N+M', 8])));
  assert.ok(sameShape(['N+M', 2], ['M+N', 2]));
});

test('a sum has the value of its terms', () => {
  fc.assert(
    fc.property(shape, (dims) => {
      const wanted = dims.reduce<number>((all, dim) => all + count([dim], SIZES), 0);
      assert.equal(count([total(dims)], SIZES), wanted);
    }),
  );
});

test('a difference is told where it is one number', () => {
  assert.equal(difference('N+3', 'N'), 3);
  assert.equal(difference(7, 9), -2);
  assert.equal(difference('M+N', 'N+M'), 0);
  assert.equal(difference('N*2', 'N'), undefined);
});

test('a quotient undoes a product, also by a sum; what does not divide is refused', () => {
  fc.assert(
    fc.property(shape, shape, (a, b) => {
      assert.equal(product([quotient([...a, ...b], b)]), product(a));
    }),
  );
  assert.equal(quotient(['M+N', 6], ['N+M']), 6);
  assert.equal(quotient(['N*8+M*8'], ['N+M', 4]), 2);
  for (const [whole, part] of [
    [['N', 6], [4]],
    [['N'], ['T']],
    [['N+1'], ['N']],
    [['N'], [0]],
  ] as const) {
    assert.throws(() => quotient(whole, part), /does not divide/);
  }
});

test('shapes of different count are told apart', () => {
  assert.ok(sameCount(['N', 8], [2, 'N', 4]));
  assert.ok(!sameCount(['N', 8], ['N', 4]));
  assert.ok(!sameCount(['N', 'N'], ['N']));
  assert.ok(sameDim('N*2', '2*N'));
  assert.ok(!sameDim('N', 'T'));
});

test('broadcasting follows NumPy on sizes and refuses to guess at symbols', () => {
  assert.deepEqual(broadcast(['N', 1, 3], [4, 1]), ['N', 4, 3]);
  assert.deepEqual(broadcast([3], ['N', 2, 3]), ['N', 2, 3]);
  assert.deepEqual(broadcast([], ['N']), ['N']);
  assert.deepEqual(broadcast([1], ['N']), ['N']);
  assert.equal(broadcast([2], [3]), undefined);
  assert.equal(broadcast(['N'], ['T']), undefined);
  assert.equal(broadcast(['N'], [3]), undefined, 'N may be 1 or 3 or neither');
});

test('broadcasting is symmetric and has itself and the empty shape as neutral', () => {
  fc.assert(
    fc.property(shape, shape, (a, b) => {
      const [ab, ba] = [broadcast(a, b), broadcast(b, a)];
      assert.equal(ab === undefined, ba === undefined);
      if (ab && ba) assert.ok(ab.length === ba.length && ab.every((each, i) => sameDim(each, ba[i]!)));
      assert.deepEqual(broadcast(a, a), a);
      assert.deepEqual(broadcast([], a), a);
    }),
  );
});
