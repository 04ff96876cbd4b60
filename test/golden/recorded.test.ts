/**
 * The energies of before the redesign. On a machine with the same instruction sets, runtime and number of threads they are
 * the same bits; on another the runtime takes other kernels, which round elsewhere, and they are within TOLERANCE. What int8 recorded
 * is of the first version whose 8-bit products do not saturate (docs/decisions/0003-int8.md).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import type { Tensor } from '../../src/tensor/tensor.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { withDirectory } from '../support/bundles.js';
import { record, sameKernels, thisMachine, type Machine } from './recorded.js';

/** Absolute, of energies. In 8 bits a last place may tip an activation into the next word. */
const TOLERANCE = { float32: 2e-6, int8: 5e-3 };
const DIRECTORY = fileURLToPath(new URL('../../../test/golden/recorded/', import.meta.url));

const machine = JSON.parse(readFileSync(`${DIRECTORY}machine.json`, 'utf8')) as Machine;
const exact = sameKernels(machine, thisMachine());

function values({ dtype, bytes }: Tensor): Float32Array | Float64Array {
  const { buffer } = bytes.slice();
  return dtype === 'float64' ? new Float64Array(buffer) : new Float32Array(buffer);
}

for (const precision of ['float32', 'int8'] as const) {
  const how = exact ? 'bit for bit' : `within ${TOLERANCE[precision]}`;
  test(`${precision}: the recorded energies, ${how}`, async () => {
    const file = `${DIRECTORY}${precision}.safetensors`;
    const { tensors } = readSafetensors(file, Uint8Array.from(readFileSync(file)));
    const found = await withDirectory((models) => record(models, precision));
    assert.deepEqual([...found.keys()].sort(), [...tensors.keys()].sort());
    for (const [name, wanted] of tensors) {
      const [now, before] = [values(found.get(name)!), values(wanted)];
      assert.equal(now.length, before.length, name);
      for (const [i, value] of now.entries()) {
        const same = exact
          ? Object.is(value, before[i])
          : Math.abs(value - before[i]!) <= TOLERANCE[precision];
        assert.ok(same, `${name} [${i}]: ${value}, recorded ${before[i]}`);
      }
    }
  });
}
