/** The parameters of one model by name, in the dtype in which they are stored. */
import { invalid } from '../errors.js';
import { toFloat32, formatShape, type Tensor } from '../tensor/tensor.js';
import type { Problem } from './problems.js';

/** Keys as in the PyTorch state dict, without `module.`. */
export type Weights = ReadonlyMap<string, Tensor>;

/** Values of one parameter as float32, row-major; may be a view of the stored bytes. Errors: no such parameter. */
export function weightValues(weights: Weights, name: string): Float32Array {
  const tensor = weights.get(name);
  if (tensor === undefined) {
    throw invalid(name, 'missing tensor', { found: `${weights.size} tensors of other names` });
  }
  return toFloat32(name, tensor);
}

/** Number of scalar parameters. */
export function parameterCount(weights: Weights): number {
  let count = 0;
  for (const { shape } of weights.values()) count += shape.reduce((product, size) => product * size, 1);
  return count;
}

/** Every tensor with a value that is NaN, infinite or beyond float32, with the first position and how many there are. */
export function nonFiniteWeights(weights: Weights): Problem[] {
  const problems: Problem[] = [];
  for (const [name, tensor] of weights) {
    const values = toFloat32(name, tensor);
    let first = -1;
    let count = 0;
    for (let i = 0; i < values.length; i++) {
      if (Number.isFinite(values[i])) continue;
      if (first < 0) first = i;
      count++;
    }
    if (first < 0) continue;
    problems.push({
      field: `${name}${formatShape(position(first, tensor.shape))}`,
      summary: 'non-finite weight',
      found: `${values[first]!}, ${count} of ${values.length} values non-finite`,
      wanted: 'finite float32 values',
    });
  }
  return problems;
}

/** Row-major index as one index an axis. */
function position(index: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at.unshift(index % shape[axis]!);
    index = Math.floor(index / shape[axis]!);
  }
  return at;
}
