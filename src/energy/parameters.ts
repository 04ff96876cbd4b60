/** Parameters of a model as float32 matrices, and the algebra that merges linear maps which stand in a row. */
import { Fault } from '../errors.js';
import { toFloat32 } from '../tensor/convert.js';
import { formatShape, type Tensor } from '../tensor/tensor.js';

/** y = x W + b with W [inputs, outputs], the layout in which ONNX's MatMul takes it (PyTorch stores the transpose). */
export interface Linear {
  readonly inputs: number;
  readonly outputs: number;
  /** [inputs, outputs] row-major. */
  readonly weight: Float32Array;
  /** [outputs]. */
  readonly bias: Float32Array;
}

export interface Norm {
  readonly scale: Float32Array;
  readonly bias: Float32Array;
}

/** Read-only view of a state dict (names as PyTorch wrote them). Errors: `internal` for a name or shape that the card rules out. */
export class Parameters {
  constructor(private readonly weights: ReadonlyMap<string, Tensor>) {}

  values(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.weights.get(name);
    if (!tensor || formatShape(tensor.shape) !== formatShape(shape)) {
      throw new Fault('internal', 'weights were not checked against the card', {
        field: name,
        found: tensor ? formatShape(tensor.shape) : 'nothing',
        wanted: formatShape(shape),
      });
    }
    return toFloat32(name, tensor);
  }

  /** `name.weight` [outputs, inputs] and `name.bias` [outputs] of a torch.nn.Linear. */
  linear(name: string, inputs: number, outputs: number): Linear {
    return {
      inputs,
      outputs,
      weight: transposed(this.values(`${name}.weight`, [outputs, inputs]), outputs, inputs),
      bias: this.values(`${name}.bias`, [outputs]),
    };
  }

  norm(name: string, width: number): Norm {
    return { scale: this.values(`${name}.weight`, [width]), bias: this.values(`${name}.bias`, [width]) };
  }

  /** The three projections of torch.nn.MultiheadAttention's `in_proj` [3h, h]: query, key, value. */
  projections(name: string, width: number): [query: Linear, key: Linear, value: Linear] {
    const weight = this.values(`${name}.in_proj_weight`, [3 * width, width]);
    const bias = this.values(`${name}.in_proj_bias`, [3 * width]);
    const part = (index: number): Linear => ({
      inputs: width,
      outputs: width,
      weight: transposed(weight.subarray(index * width * width, (index + 1) * width * width), width, width),
      bias: bias.slice(index * width, (index + 1) * width),
    });
    return [part(0), part(1), part(2)];
  }
}

/** [rows, columns] to [columns, rows]. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = matrix[row * columns + column]!;
  }
  return out;
}

/** x [rows, inputs] times W [inputs, outputs], accumulated in float64. Four terms a pass: most of the time of a start. */
export function multiply(x: Float32Array, rows: number, { inputs, outputs, weight }: Linear): Float64Array {
  const out = new Float64Array(rows * outputs);
  const whole = inputs - (inputs % 4);
  for (let row = 0; row < rows; row++) {
    const target = row * outputs;
    const source = row * inputs;
    for (let k = 0; k < whole; k += 4) {
      const [a, b, c, d] = [x[source + k]!, x[source + k + 1]!, x[source + k + 2]!, x[source + k + 3]!];
      const [wa, wb, wc, wd] = [k * outputs, (k + 1) * outputs, (k + 2) * outputs, (k + 3) * outputs];
      for (let column = 0; column < outputs; column++) {
        out[target + column]! +=
          a * weight[wa + column]! +
          b * weight[wb + column]! +
          c * weight[wc + column]! +
          d * weight[wd + column]!;
      }
    }
    for (let k = whole; k < inputs; k++) {
      const factor = x[source + k]!;
      const base = k * outputs;
      for (let column = 0; column < outputs; column++)
        out[target + column]! += factor * weight[base + column]!;
    }
  }
  return out;
}

/** `second(first(x))` as one map: W = W1 W2, b = b1 W2 + b2. Exact up to one rounding to float32. */
export function compose(first: Linear, second: Linear): Linear {
  const bias = multiply(first.bias, 1, second);
  return {
    inputs: first.inputs,
    outputs: second.outputs,
    weight: Float32Array.from(multiply(first.weight, first.inputs, second)),
    bias: Float32Array.from(bias, (value, column) => value + second.bias[column]!),
  };
}

/** The map times a scalar. */
export function scaled(linear: Linear, factor: number): Linear {
  return {
    ...linear,
    weight: linear.weight.map((value) => value * factor),
    bias: linear.bias.map((value) => value * factor),
  };
}
