import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  float16ToNumber,
  floats32,
  fromFloat32,
  numberToBfloat16,
  numberToFloat16,
  toFloat32,
  words16,
  elementCount,
  makeTensor,
  type FloatDType,
} from '../../../src/tensor/tensor.js';

const WORDS = 0x10000;
const allWords = Uint16Array.from({ length: WORDS }, (_, word) => word);

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** The same bytes at an odd address inside a larger Buffer, as a socket or a file reader hands them over. */
function misaligned(bytes: Uint8Array): Buffer {
  const pool = Buffer.alloc(bytes.length + 9, 0xa5);
  let offset = 1;
  while ((pool.byteOffset + offset) % 2 === 0) offset++;
  pool.set(bytes, offset);
  return pool.subarray(offset, offset + bytes.length);
}

for (const { dtype, narrow, isNaN } of [
  {
    dtype: 'float16',
    narrow: numberToFloat16,
    isNaN: (w: number) => (w & 0x7c00) === 0x7c00 && (w & 0x3ff) !== 0,
  },
  {
    dtype: 'bfloat16',
    narrow: numberToBfloat16,
    isNaN: (w: number) => (w & 0x7f80) === 0x7f80 && (w & 0x7f) !== 0,
  },
] as const) {
  test(`${dtype}: each of the 65,536 words widens and narrows to itself; NaN stays NaN`, () => {
    const wide = toFloat32('x', { dtype, shape: [WORDS], bytes: bytesOf(allWords) });
    const back = words16(fromFloat32(dtype, [WORDS], wide).bytes);
    for (let word = 0; word < WORDS; word++) {
      assert.equal(Number.isNaN(wide[word]), isNaN(word), `word ${word}`);
      if (isNaN(word)) assert.ok(isNaN(back[word]!), `NaN ${word} became ${back[word]}`);
      else assert.equal(back[word], word);
    }
  });

  test(`${dtype}: the midpoint of two neighbours goes to the even one, anything off it to the nearer`, () => {
    const valueOf = (word: number): number =>
      toFloat32('x', { dtype, shape: [1], bytes: bytesOf(Uint16Array.of(word)) })[0]!;
    const largestFinite = dtype === 'float16' ? 0x7bff : 0x7f7f;
    for (let word = 0; word < largestFinite; word++) {
      // exact: float32 has more significant bits than either format, also among the subnormals
      const middle = (valueOf(word) + valueOf(word + 1)) / 2;
      const even = word % 2 === 0 ? word : word + 1;
      const below = nextFloat32(middle, -1);
      const above = nextFloat32(middle, 1);
      assert.equal(narrow(middle), even);
      assert.equal(narrow(below), word);
      assert.equal(narrow(above), word + 1);
      assert.equal(narrow(-middle), even | 0x8000);
    }
  });
}

/** The float32 neighbour of a positive float32. */
function nextFloat32(value: number, step: 1 | -1): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0]! += step;
  return new Float32Array(bits.buffer)[0]!;
}

test('float16 agrees with the definition of binary16 at its landmarks', () => {
  const landmarks: [word: number, value: number][] = [
    [0x0001, 2 ** -24],
    [0x03ff, (1023 / 1024) * 2 ** -14],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x3c01, 1 + 2 ** -10],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ];
  for (const [word, value] of landmarks) {
    assert.equal(float16ToNumber(word), value);
    assert.equal(numberToFloat16(value), word);
  }
  assert.ok(Object.is(float16ToNumber(0x8000), -0));
  assert.equal(numberToFloat16(65519), 0x7bff, 'below the midpoint to 65536');
  assert.equal(numberToFloat16(65520), 0x7c00, 'the midpoint rounds to infinity');
  assert.equal(numberToFloat16(2 ** -25), 0, 'half the smallest subnormal is a tie, zero is even');
  assert.equal(numberToFloat16(1.5 * 2 ** -25), 1);
  assert.equal(numberToBfloat16(3.4e38), 0x7f80, 'beyond the largest bfloat16');
});

test('views are taken of aligned memory, copies of misaligned memory, never of the bytes around it', () => {
  const values = Float32Array.of(1.5, -2.25, 3e-39, 65504);
  const aligned = new Uint8Array(values.buffer);
  assert.equal(floats32(aligned).buffer, values.buffer);
  const odd = misaligned(aligned);
  assert.notEqual(odd.byteOffset % 2, 0);
  assert.deepEqual(floats32(odd), values);
  assert.notEqual(floats32(odd).buffer, odd.buffer);
  assert.deepEqual(words16(odd), new Uint16Array(values.buffer));
  const inside = new Uint8Array(values.buffer, 4, 8);
  assert.deepEqual(floats32(inside), values.subarray(1, 3));
});

test('every float dtype reads the same from misaligned bytes', () => {
  const dtypes: FloatDType[] = ['float64', 'float32', 'float16', 'bfloat16'];
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 20 }),
      fc.constantFrom(...dtypes),
      (numbers, dtype) => {
        const tensor = fromFloat32(dtype, [numbers.length], Float32Array.from(numbers));
        const wide = toFloat32('x', tensor);
        assert.deepEqual(toFloat32('x', { ...tensor, bytes: misaligned(tensor.bytes) }), wide);
        if (dtype === 'float64' || dtype === 'float32') assert.deepEqual(wide, Float32Array.from(numbers));
      },
    ),
  );
});

test('what is no float tensor is refused by name, and so are counts that do not match', () => {
  const integers = makeTensor('tokens', 'int32', [2], new Uint8Array(8));
  assert.throws(() => toFloat32('tokens', integers), { field: 'tokens', found: 'int32' });
  assert.throws(() => fromFloat32('float16', [3], new Float32Array(2)), { found: '2', wanted: '3' });
});

test('tensors: sizes and byte lengths are checked before use', () => {
  assert.equal(elementCount([]), 1);
  assert.equal(makeTensor('x', 'float32', [0, 5], new Uint8Array(0)).bytes.length, 0);
  for (const size of [-1, 1.5, NaN, 2 ** 53]) {
    assert.throws(() => makeTensor('x', 'float32', [1, size], new Uint8Array(4)), { field: 'x.shape[1]' });
  }
  assert.throws(() => makeTensor('x', 'bfloat16', [2, 3], new Uint8Array(11)), {
    field: 'x',
    found: '11 bytes',
    wanted: '12 bytes for bfloat16 [2, 3]',
  });
  // the product overflows what a number holds exactly
  assert.throws(() => makeTensor('x', 'float64', [2 ** 40, 2 ** 40], new Uint8Array(0)), { field: 'x' });
});
