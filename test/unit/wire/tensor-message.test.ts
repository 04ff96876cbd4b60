import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import type { Tensor__Output } from '../../../src/generated/action_energy/v1/Tensor.js';
import { decodeFloatTensor, decodeTensor, encodeFloat32 } from '../../../src/wire/tensor-message.js';

const BYTES = { FLOAT32: 4, FLOAT16: 2, BFLOAT16: 2, BOOL: 1 } as const;

function message(dtype: string, shape: number[], length: number): Tensor__Output {
  return { dtype: dtype as Tensor__Output['dtype'], shape, data: Buffer.alloc(length) };
}

function field(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault && error.kind === 'invalid', String(error));
    return error.field ?? '';
  }
  assert.fail('accepted');
}

test('a tensor decodes exactly when its bytes match its shape, as a view', () => {
  const dtypes = fc.constantFrom<(keyof typeof BYTES)[]>('FLOAT32', 'FLOAT16', 'BFLOAT16', 'BOOL');
  const shapes = fc.array(fc.nat(5), { maxLength: 4 });
  fc.assert(
    fc.property(dtypes, shapes, fc.integer({ min: -3, max: 3 }), (dtype, shape, lie) => {
      const right = shape.reduce((product, size) => product * size, 1) * BYTES[dtype];
      const sent = message(dtype, shape, Math.max(0, right + lie));
      if (sent.data.byteLength !== right) {
        assert.equal(
          field(() => decodeTensor('hidden', sent, '[S, D]')),
          'hidden',
        );
        return;
      }
      const tensor = decodeTensor('hidden', sent, '[S, D]');
      assert.deepEqual([tensor.dtype, tensor.shape], [dtype.toLowerCase(), shape]);
      assert.equal(tensor.bytes.buffer, sent.data.buffer);
    }),
  );
});

test('lying shapes are refused by field', () => {
  const huge = message('FLOAT32', [0xffffffff, 0xffffffff, 0xffffffff], 16);
  assert.equal(
    field(() => decodeTensor('hidden', huge, '[S, D]')),
    'hidden',
  );
  const axes = message('FLOAT32', new Array<number>(100_000).fill(1), 4);
  assert.equal(
    field(() => decodeTensor('hidden', axes, '[S, D]')),
    'hidden.shape',
  );
  assert.equal(
    field(() => decodeTensor('hidden', message('9', [1], 4), '[S, D]')),
    'hidden.dtype',
  );
  assert.equal(
    field(() => decodeTensor('hidden', message('toString', [1], 4), '[S, D]')),
    'hidden.dtype',
  );
  assert.equal(
    field(() => decodeTensor('hidden', message('DTYPE_UNSPECIFIED', [1], 4), '[S]')),
    'hidden.dtype',
  );
  assert.equal(
    field(() => decodeTensor('hidden', null, '[S, D]')),
    'hidden',
  );
  assert.equal(
    field(() => decodeFloatTensor('hidden', message('BOOL', [4], 4), '[S, D]')),
    'hidden.dtype',
  );
});

test('encoding is a view whose values come back', () => {
  const values = Float32Array.of(1, -0, 3.25, 1e-40, Infinity, 7);
  const sent = encodeFloat32([2, 3], values);
  assert.ok(Buffer.isBuffer(sent.data) && sent.data.buffer === values.buffer);
  const back = decodeFloatTensor('energies', { dtype: 'FLOAT32', shape: [2, 3], data: sent.data }, '[B, M]');
  assert.deepEqual(new Float32Array(back.bytes.slice().buffer), values);
});
