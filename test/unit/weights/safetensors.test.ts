import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import { BYTES_PER_ELEMENT, byteLength, type DType, type Tensor } from '../../../src/tensor/tensor.js';
import { openSafetensors, readSafetensors, writeSafetensors } from '../../../src/weights/safetensors.js';
import { float32Bytes, safetensorsFile } from '../../support/checkpoints.js';

const dtypes = Object.keys(BYTES_PER_ELEMENT) as DType[];

const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(fc.constantFrom(...dtypes), fc.array(fc.nat(4), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const length = byteLength(dtype, shape);
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => ({ dtype, shape, bytes: new Uint8Array(bytes) }));
  });
const anyName = fc.oneof(
  fc.string({ maxLength: 12, unit: 'grapheme' }),
  fc.constantFrom('__proto__', '7', '"', '\\'),
);

describe('safetensors', () => {
  it('reads what it wrote: names, dtypes, shapes, bytes, metadata; aligned and deterministic', () => {
    const entries = fc.uniqueArray(fc.tuple(anyName, anyTensor), {
      maxLength: 6,
      selector: ([name]) => name,
    });
    const metadata = fc
      .uniqueArray(fc.tuple(anyName, fc.string()), { maxLength: 3, selector: ([name]) => name })
      .map((pairs) => new Map(pairs));
    fc.assert(
      fc.property(entries, metadata, (list, meta) => {
        const file = writeSafetensors(new Map(list), meta);
        const read = readSafetensors('file', file);
        assert.deepEqual(new Map(read.tensors), new Map(list));
        assert.deepEqual(read.metadata, meta);
        for (const { dtype, bytes } of read.tensors.values()) {
          assert.equal(bytes.buffer, file.buffer);
          assert.equal(bytes.byteOffset % BYTES_PER_ELEMENT[dtype], 0);
        }
        assert.deepEqual(writeSafetensors(new Map([...list].reverse()), meta), file);
      }),
    );
  });

  it('reads a name as it is written, whatever was read before', () => {
    // V8 13 takes the second header's name for the first one's when both are keys of one object
    const header = (name: string): Uint8Array => {
      const entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
      const json = `{"__metadata__":{${name}:"x"},${name}:${entry},"a":${entry}}`;
      return safetensorsFile(json, new Uint8Array(0));
    };
    for (const name of ['\\', '"', '__proto__', 'constructor', '\\', '"']) {
      const { tensors, metadata } = readSafetensors('file', header(JSON.stringify(name)));
      assert.deepEqual([...tensors.keys()], [name, 'a']);
      assert.deepEqual([...metadata], [[name, 'x']]);
    }
  });

  it('reads every dtype by its name in the format', () => {
    const names = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL'];
    const found = names.map((name, i) => {
      const size = BYTES_PER_ELEMENT[dtypes[i]!];
      const json = JSON.stringify({ a: { dtype: name, shape: [1], data_offsets: [0, size] } });
      return readSafetensors('file', safetensorsFile(json, new Uint8Array(size))).tensors.get('a')!.dtype;
    });
    assert.deepEqual(found, dtypes);
  });

  it('reads an empty file of no tensors', () => {
    assert.equal(readSafetensors('file', writeSafetensors(new Map())).tensors.size, 0);
  });

  it('does not write what it would not read', () => {
    const bytes = float32Bytes(1, 2);
    const write = (name: string, tensor: Tensor): Uint8Array => writeSafetensors(new Map([[name, tensor]]));
    assert.throws(
      () => write('a', { dtype: 'float32', shape: [3], bytes }),
      /a: byte length.*8 bytes.*12 bytes/,
    );
    assert.throws(() => write('__metadata__', { dtype: 'float32', shape: [2], bytes }), /reserved name/);
  });
});

describe('safetensors file, read lazily', () => {
  let folder: string;
  let path: string;
  const values = Float32Array.from({ length: 24 }, (_, i) => i);
  const tensors = new Map<string, Tensor>([
    ['x', { dtype: 'float32', shape: [4, 3, 2], bytes: new Uint8Array(values.buffer) }],
    ['scalar', { dtype: 'int8', shape: [], bytes: Uint8Array.of(7) }],
    ['empty', { dtype: 'float16', shape: [0, 5], bytes: new Uint8Array() }],
  ]);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
    path = join(folder, 'data.safetensors');
    await writeFile(path, writeSafetensors(tensors, new Map([['source', 'a test']])));
  });
  after(() => rm(folder, { recursive: true }));

  it('gives header, metadata, whole tensors', async () => {
    const file = await openSafetensors(path);
    assert.deepEqual(file.metadata, new Map([['source', 'a test']]));
    assert.deepEqual([...file.header.keys()].sort(), ['empty', 'scalar', 'x']);
    assert.equal(file.header.get('x')!.dtype, 'float32');
    assert.deepEqual(file.header.get('x')!.shape, [4, 3, 2]);
    for (const [name, tensor] of tensors) assert.deepEqual(await file.read(name), tensor);
    await file.close();
  });

  it('gives any rows, also at the same time', async () => {
    const file = await openSafetensors(path);
    const ranges = [0, 1, 2, 3, 4].flatMap((start) => [0, 1, 2, 3, 4].map((end) => [start, end] as const));
    const valid = ranges.filter(([start, end]) => start <= end);
    const rows = await Promise.all(valid.map(([start, end]) => file.readRows('x', start, end)));
    for (const [i, [start, end]] of valid.entries()) {
      assert.deepEqual(rows[i]!.shape, [end - start, 3, 2]);
      assert.deepEqual(rows[i]!.bytes, new Uint8Array(values.slice(start * 6, end * 6).buffer));
    }
    assert.deepEqual((await file.readRows('empty', 0, 0)).shape, [0, 5]);
    await file.close();
  });

  it('refuses what is not there', async () => {
    const file = await openSafetensors(path);
    await assert.rejects(file.read('y'), /no such tensor; found y; wanted/);
    await assert.rejects(file.readRows('scalar', 0, 1), /scalar: a scalar has no rows/);
    for (const [start, end] of [
      [-1, 1],
      [0, 5],
      [3, 2],
      [0.5, 1],
      [NaN, 1],
    ] as const) {
      await assert.rejects(file.readRows('x', start, end), /x: no such rows/);
    }
    await file.close();
    await file.close();
    await assert.rejects(file.read('x'), (error) => error instanceof Fault && error.kind === 'precondition');
  });

  it('faults when the file shrinks under it', async () => {
    const shrinking = join(folder, 'shrinking.safetensors');
    await writeFile(shrinking, writeSafetensors(tensors));
    const file = await openSafetensors(shrinking);
    await truncate(shrinking, 200);
    await assert.rejects(
      file.read('x'),
      (error) => error instanceof Fault && /ended while/.test(error.message),
    );
    await file.close();
  });

  it('checks the header as the reader in memory does', async () => {
    const lying = join(folder, 'lying.safetensors');
    const json = '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}';
    for (const bytes of [
      safetensorsFile(json, new Uint8Array(12)),
      safetensorsFile(json, new Uint8Array(17)),
      safetensorsFile(json, new Uint8Array(16), 1n << 60n),
      Uint8Array.of(1, 2, 3),
    ]) {
      await writeFile(lying, bytes);
      await assert.rejects(openSafetensors(lying), (error) => {
        assert.ok(error instanceof Fault);
        assert.ok(error.message.startsWith(lying));
        return true;
      });
    }
  });
});
