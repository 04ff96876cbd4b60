import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import { byteLength, type Tensor } from '../../../src/tensor/tensor.js';
import { decodeTensors } from '../../../src/weights/checkpoint.js';
import { readNpy } from '../../../src/weights/npy.js';
import { readPickle } from '../../../src/weights/pickle.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';
import { npyFile, oldCheckpoint, smallCheckpoint, float32Bytes } from '../../support/checkpoints.js';
import { zipArchive } from '../../support/checkpoints-zip.js';
import { hostileArchives } from '../../support/hostile-archives.js';
import { hostileArrays } from '../../support/hostile-arrays.js';
import { hostilePickles } from '../../support/hostile-pickles.js';

const array = npyFile(
  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n",
  float32Bytes(1, 2, 3, 4),
);
const healthy: Record<string, Uint8Array> = {
  torch: smallCheckpoint(),
  'deflated torch': smallCheckpoint(true),
  'old torch': oldCheckpoint(),
  safetensors: writeSafetensors(
    new Map<string, Tensor>([
      ['a', { dtype: 'float32', shape: [2, 2], bytes: float32Bytes(1, 2, 3, 4) }],
      ['b', { dtype: 'bool', shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
    ]),
    new Map([['made_by', 'a test']]),
  ),
  npz: zipArchive([
    { name: 'a.npy', data: array },
    { name: 'b.npy', data: array, deflate: true },
  ]),
};

/** Either consistent tensors or a Fault that is not of our own making (`internal`). */
async function readsOrFaults(read: () => Promise<ReadonlyMap<string, Tensor>>): Promise<void> {
  let tensors: ReadonlyMap<string, Tensor>;
  try {
    tensors = await read();
  } catch (error) {
    assert.ok(error instanceof Fault, `not a Fault: ${error instanceof Error ? error.stack : String(error)}`);
    assert.equal(error.kind, 'invalid');
    assert.ok(error.message.length < 5000, 'a message of bounded length');
    return;
  }
  for (const { dtype, shape, bytes } of tensors.values()) {
    assert.equal(bytes.byteLength, byteLength(dtype, shape));
  }
}

describe('hostile files', () => {
  const files = [...hostilePickles, ...hostileArchives, ...hostileArrays];

  // first, while the peak of this process is still that of making the files
  it('need little memory to be refused', async () => {
    const beforeKb = process.resourceUsage().maxRSS;
    for (const { bytes } of files) await readsOrFaults(() => decodeTensors('hostile', bytes));
    const grownMb = (process.resourceUsage().maxRSS - beforeKb) / 1024;
    assert.ok(grownMb < 512, `peak memory grew by ${grownMb} MB`);
  });

  for (const { name, bytes, says } of files) {
    it(`refuses: ${name}`, async () => {
      await assert.rejects(decodeTensors('hostile', bytes), (error) => {
        assert.ok(error instanceof Fault, String(error));
        assert.equal(error.kind, 'invalid');
        assert.match(error.message, says);
        assert.ok(error.message.startsWith('hostile'), 'names the file');
        return true;
      });
    });
  }
});

describe('damaged files', () => {
  for (const [name, bytes] of Object.entries(healthy)) {
    it(`${name}: reads undamaged`, async () => {
      assert.equal((await decodeTensors(name, bytes)).size, 2);
    });

    it(`${name}: truncated at every byte is refused`, async () => {
      for (let length = 1; length < bytes.length; length++) {
        await assert.rejects(decodeTensors(name, bytes.slice(0, length)), Fault, `${length} bytes`);
      }
    });

    it(`${name}: any bytes overwritten`, async () => {
      const position = fc.nat(bytes.length - 1);
      const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(position, value), { minLength: 1, maxLength: 8 }),
          async (changes) => {
            const damaged = bytes.slice();
            for (const [at, byte] of changes) damaged[at] = byte;
            await readsOrFaults(() => decodeTensors(name, damaged));
          },
        ),
        { numRuns: 1500 },
      );
    });

    it(`${name}: any bit flipped`, async () => {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const damaged = bytes.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        await readsOrFaults(() => decodeTensors(name, damaged));
      }
    });

    it(`${name}: a stretch removed, doubled or moved`, async () => {
      const cut = fc.nat(bytes.length);
      await fc.assert(
        fc.asyncProperty(cut, cut, cut, async (a, b, c) => {
          const [first, second, third] = [a, b, c].sort((x, y) => x - y) as [number, number, number];
          const at = (start: number, end: number): Uint8Array => bytes.subarray(start, end);
          const orders = [
            [at(0, first), at(second, bytes.length)],
            [at(0, second), at(first, bytes.length)],
            [at(0, first), at(second, third), at(first, second), at(third, bytes.length)],
          ];
          for (const parts of orders) {
            const damaged = new Uint8Array(Buffer.concat(parts));
            await readsOrFaults(() => decodeTensors(name, damaged));
          }
        }),
        { numRuns: 300 },
      );
    });
  }

  it('random opcodes never do more than fault', async () => {
    const opcodes = '(.02N\x88\x89KMJXCtu])}aesRbQqh\x85\x86\x87\x8a\x8cc\x93\x94';
    const op = fc.oneof(fc.constantFrom(...Buffer.from(opcodes, 'latin1')), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(op, { maxLength: 200 }), async (ops) => {
        await readsOrFaults(async () => {
          readPickle('pickle', Uint8Array.from([0x80, 2, ...ops, 0x2e]));
          return new Map();
        });
      }),
      { numRuns: 5000 },
    );
  });

  it('any .npy header', async () => {
    const word = fc.constantFrom(
      "'descr'",
      "'fortran_order'",
      "'shape'",
      "'<f4'",
      'False',
      '(4,)',
      '(',
      ')',
      ':',
      ',',
      '{',
      '}',
      '4',
      ' ',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 20 }), async (words) => {
        const bytes = npyFile(words.join(''), float32Bytes(1, 2, 3, 4));
        await readsOrFaults(async () => new Map([['a', readNpy('a', bytes)]]));
      }),
      { numRuns: 3000 },
    );
  });
});
