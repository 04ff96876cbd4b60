/** Parameters as constants of the graphs: a state dict, read once; what stands in a row is merged here, in float64. */
import { Fault } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { toFloat32, formatShape, type Tensor } from '../tensor/tensor.js';
import type { Linear, Matrix, Norm, Parameters } from './bound-parameters.js';

export class StoredLinear implements Linear {
  /**
   * @param weight [inputs, outputs] row-major
   * @param bias [outputs]
   */
  constructor(
    readonly inputs: number,
    readonly outputs: number,
    readonly weight: Float32Array,
    readonly bias: Float32Array,
  ) {}

  in(g: Graph): { weight: Value; bias: Value } {
    return {
      weight: g.constant('weight', [this.inputs, this.outputs], this.weight),
      bias: g.constant('bias', [this.outputs], this.bias),
    };
  }
}

export class StoredNorm implements Norm {
  constructor(
    readonly scale: Float32Array,
    readonly bias: Float32Array,
  ) {}

  in(g: Graph): { scale: Value; bias: Value } {
    return {
      scale: g.constant('scale', [this.scale.length], this.scale),
      bias: g.constant('bias', [this.bias.length], this.bias),
    };
  }
}

export class StoredMatrix implements Matrix {
  constructor(
    readonly shape: readonly number[],
    readonly values: Float32Array,
  ) {}

  in(g: Graph): Value {
    return g.constant('matrix', this.shape, this.values);
  }
}

/** Read-only view of a state dict (names as PyTorch wrote them). Errors: `internal` for a name or shape that the card rules out. */
export class StoredParameters implements Parameters<StoredLinear, StoredNorm, StoredMatrix> {
  constructor(private readonly weights: ReadonlyMap<string, Tensor>) {}

  linear(name: string, inputs: number, outputs: number): StoredLinear {
    const weight = transposed(this.values(`${name}.weight`, [outputs, inputs]), outputs, inputs);
    return new StoredLinear(inputs, outputs, weight, this.values(`${name}.bias`, [outputs]));
  }

  norm(name: string, width: number): StoredNorm {
    return new StoredNorm(this.values(`${name}.weight`, [width]), this.values(`${name}.bias`, [width]));
  }

  projections(name: string, width: number): [StoredLinear, StoredLinear, StoredLinear] {
    const weight = this.values(`${name}.in_proj_weight`, [3 * width, width]);
    const bias = this.values(`${name}.in_proj_bias`, [3 * width]);
    const part = (index: number): StoredLinear => {
      const rows = weight.subarray(index * width * width, (index + 1) * width * width);
      return new StoredLinear(
        width,
        width,
        transposed(rows, width, width),
        bias.slice(index * width, (index + 1) * width),
      );
    };
    return [part(0), part(1), part(2)];
  }

  matrix(name: string, shape: readonly number[]): StoredMatrix {
    return new StoredMatrix(shape, this.values(name, shape));
  }

  /** Exact up to one rounding to float32. */
  compose(first: StoredLinear, second: StoredLinear): StoredLinear {
    const bias = multiply(first.bias, 1, second);
    return new StoredLinear(
      first.inputs,
      second.outputs,
      Float32Array.from(multiply(first.weight, first.inputs, second)),
      Float32Array.from(bias, (value, column) => value + second.bias[column]!),
    );
  }

  scaled({ inputs, outputs, weight, bias }: StoredLinear, factor: number): StoredLinear {
    return new StoredLinear(
      inputs,
      outputs,
      weight.map((value) => value * factor),
      bias.map((value) => value * factor),
    );
  }

  mapped(rows: Float32Array, map: StoredLinear): StoredMatrix {
    const count = rows.length / map.inputs;
    return new StoredMatrix([count, map.outputs], Float32Array.from(multiply(rows, count, map)));
  }

  /** Both stay as they are: the runtime's kernel applies scale and bias for nothing. */
  absorb(
    norm: StoredNorm,
    maps: readonly StoredLinear[],
  ): { norm: StoredNorm; maps: readonly StoredLinear[] } {
    return { norm, maps };
  }

  private values(name: string, shape: readonly number[]): Float32Array {
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

/**
 * x [rows, inputs] times weight [inputs, outputs], accumulated in float64; [rows, outputs]. Four terms a pass: most of
 * the time of a start.
 */
export function multiply(
  x: Float32Array,
  rows: number,
  { inputs, outputs, weight }: { inputs: number; outputs: number; weight: Float32Array },
): Float64Array {
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
