/**
 * Parameters as inputs of a graph, each under its state-dict name and shape: what training changes and what gradients are
 * asked by. What serving merges at load is merged here by nodes of the graph. Those are products of weights alone, so they cost
 * next to nothing beside the tokens, and differentiation finds its way through them: with x^ the normalised tokens and
 * `G = x^T dY` come `dW = gamma * G + beta (x) sum dY`, `dgamma = rowsum(G * W)` and `dbeta = W sum dY`, and nothing of [T, D].
 */
import type { Graph } from '../graph/graph.js';
import { add, matmul, mul, reshape, slice, transpose } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { Linear, Matrix, Norm, Parameters } from './bound-parameters.js';

class InputLinear implements Linear {
  readonly inputs: number;
  readonly outputs: number;

  /**
   * @param stored [outputs, inputs], as PyTorch stores it
   * @param bias [outputs]
   */
  constructor(
    readonly stored: Value,
    readonly bias: Value,
  ) {
    [this.outputs, this.inputs] = stored.shape as [number, number];
  }

  in(g: Graph): { weight: Value; bias: Value } {
    return { weight: transpose(g, this.stored, [1, 0]), bias: this.bias };
  }
}

class InputNorm implements Norm {
  constructor(
    readonly scale: Value,
    readonly bias: Value,
  ) {}

  in(): { scale: Value; bias: Value } {
    return this;
  }
}

class InputMatrix implements Matrix {
  constructor(private readonly value: Value) {}

  in(): Value {
    return this.value;
  }
}

export class InputParameters implements Parameters<InputLinear, InputNorm, InputMatrix> {
  /** Every parameter that was asked for, by state-dict name, in the order in which it was. */
  readonly inputs = new Map<string, Value>();

  constructor(private readonly g: Graph) {}

  linear(name: string, inputs: number, outputs: number): InputLinear {
    return new InputLinear(
      this.input(`${name}.weight`, [outputs, inputs]),
      this.input(`${name}.bias`, [outputs]),
    );
  }

  norm(name: string, width: number): InputNorm {
    return new InputNorm(this.input(`${name}.weight`, [width]), this.input(`${name}.bias`, [width]));
  }

  projections(name: string, width: number): [InputLinear, InputLinear, InputLinear] {
    const weight = this.input(`${name}.in_proj_weight`, [3 * width, width]);
    const bias = this.input(`${name}.in_proj_bias`, [3 * width]);
    const part = (index: number): InputLinear => {
      const rows = (x: Value): Value => slice(this.g, x, 0, index * width, (index + 1) * width);
      return new InputLinear(rows(weight), rows(bias));
    };
    return [part(0), part(1), part(2)];
  }

  matrix(name: string, shape: readonly number[]): InputMatrix {
    return new InputMatrix(this.input(name, shape));
  }

  compose(first: InputLinear, second: InputLinear): InputLinear {
    const bias = this.vectorThrough(second, first.bias);
    return new InputLinear(matmul(this.g, second.stored, first.stored), add(this.g, bias, second.bias));
  }

  scaled(map: InputLinear, factor: number): InputLinear {
    const by = this.g.constant('factor', [], Float32Array.of(factor));
    return new InputLinear(mul(this.g, map.stored, by), mul(this.g, map.bias, by));
  }

  mapped(rows: Float32Array, map: InputLinear): InputMatrix {
    const x = this.g.constant('rows', [rows.length / map.inputs, map.inputs], rows);
    return new InputMatrix(matmul(this.g, x, map.in(this.g).weight));
  }

  absorb(norm: InputNorm, maps: readonly InputLinear[]): { norm: InputNorm; maps: readonly InputLinear[] } {
    const [width] = norm.scale.shape as [number];
    const plain = (value: number): Value =>
      this.g.constant('plain', [width], new Float32Array(width).fill(value));
    const absorbed = maps.map((map) => {
      const bias = add(this.g, this.vectorThrough(map, norm.bias), map.bias);
      return new InputLinear(mul(this.g, map.stored, norm.scale), bias);
    });
    return { norm: new InputNorm(plain(1), plain(0)), maps: absorbed };
  }

  /** v W, [outputs]. */
  private vectorThrough({ stored, inputs, outputs }: InputLinear, v: Value): Value {
    return reshape(this.g, matmul(this.g, stored, reshape(this.g, v, [inputs, 1])), [outputs]);
  }

  private input(name: string, shape: readonly number[]): Value {
    const known = this.inputs.get(name);
    if (known) return known;
    const value = this.g.input(name, 'float32', shape);
    this.inputs.set(name, value);
    return value;
  }
}
