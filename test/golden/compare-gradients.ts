/** Golden gradients against our own, whoever made the vectors. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { openTensorFile } from '../../src/data/tensor-file.js';
import type { LossKind } from '../../src/energy/loss-terms.js';
import { Runtime } from '../../src/engine/runtime.js';
import { fileGradients } from '../../src/offline/gradients.js';
import { floats32, type Tensor } from '../../src/tensor/tensor.js';
import { readTensors } from '../../src/weights/checkpoint.js';
import { describe, goldenBundle } from './compare.js';

/** Of a tensor's largest element; float32 in the graph against float64. */
const TOLERANCE = 1e-4;
/** The same for what is second order. */
const ALIGNMENT_TOLERANCE = 1e-3;
/**
 * A gradient that ought to vanish is what float32 leaves of a sum that cancels: allowed up to this share of the largest of
 * all.
 */
const VANISHING = 5e-6;

const LOSSES: readonly [kind: LossKind, value: string, gradient: string, tolerance: number][] = [
  ['swap', 'swap_infonce', 'grad', TOLERANCE],
  ['explicit', 'explicit_infonce', 'explicit_infonce_grad', TOLERANCE],
  ['hinge', 'hinge', 'hinge_grad', TOLERANCE],
  ['margin', 'margin_swap', 'margin_swap_grad', TOLERANCE],
  ['alignment', 'gradient_alignment', 'gal_grad', ALIGNMENT_TOLERANCE],
];

/** Largest relative difference by loss. Errors: one beyond its tolerance; fewer than the vectors hold. */
export async function compareGradients(directory: string, name: string): Promise<Map<string, number>> {
  const { card, weights } = await goldenBundle(directory, name);
  const { tau } = describe(directory, name);
  const expected = await readTensors(path.join(directory, `${name}.expected.safetensors`));
  const file = await openTensorFile(path.join(directory, `${name}.inputs.safetensors`));
  const runtime = new Runtime({ provider: 'cpu', threads: 2, deviceId: 0 });
  const worst = new Map<string, number>();
  try {
    for (const [kind, value, prefix, tolerance] of LOSSES) {
      const wanted = expected.get(value);
      if (!wanted) continue; // the given global_context vectors have no alignment
      const { tensors } = await fileGradients(runtime, card, weights, file, kind, tau);
      const what = `${name} ${kind}`;
      worst.set(`${kind} loss`, close(`${what}: loss`, tensors.get('loss')!, wanted, tolerance, 0));
      const slope = expected.get('action_grad')!;
      worst.set(
        `${kind} actions`,
        close(`${what}: action_grad`, tensors.get('action_grad')!, slope, TOLERANCE, 0),
      );
      const names = [...weights.keys()].filter((key) => expected.has(`${prefix}/${key}`));
      const largest = Math.max(0, ...names.map((key) => size(float64(expected.get(`${prefix}/${key}`)!))));
      for (const key of names) {
        const found = tensors.get(`grad/${key}`)!;
        assert.deepEqual(found.shape, weights.get(key)!.shape, `${what}: shape of ${key}`);
        const allowed = VANISHING * largest;
        const difference = close(
          `${what}: ${key}`,
          found,
          expected.get(`${prefix}/${key}`)!,
          tolerance,
          allowed,
        );
        worst.set(kind, Math.max(worst.get(kind) ?? 0, difference));
      }
      if (kind === 'swap') assert.equal(names.length, weights.size, `${what}: every parameter is compared`);
    }
  } finally {
    await runtime.release();
    await file.close();
  }
  return worst;
}

function float64(tensor: Tensor): Float64Array {
  assert.equal(tensor.dtype, 'float64');
  return new Float64Array(tensor.bytes.slice().buffer);
}

function size(values: Float64Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** Relative to the largest element wanted; 0 where all is within `floor`. */
function close(what: string, found: Tensor, expected: Tensor, tolerance: number, floor: number): number {
  const [values, wanted] = [floats32(found.bytes), float64(expected)];
  assert.equal(values.length, wanted.length, what);
  let worst = 0;
  for (const [i, value] of wanted.entries()) {
    const difference = Math.abs(values[i]! - value);
    worst = difference <= worst ? worst : difference; // NaN takes over
  }
  const allowed = Math.max(floor, tolerance * size(wanted));
  assert.ok(worst <= allowed, `${what}: differs by ${worst}, allowed ${allowed}`);
  return worst <= floor ? 0 : worst / size(wanted);
}
