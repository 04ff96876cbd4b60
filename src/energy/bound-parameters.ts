/**
 * Where the layers of an energy model get their values from. One model, two bindings: as constants of the graph
 * (`stored-parameters.ts`, serving: merged once at load) and as inputs of the graph under their state-dict names
 * (`input-parameters.ts`, training and gradients: merged by the graph itself, so that a derivative reaches each of them).
 */
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';

/** y = x W + b. */
export interface Linear {
  readonly inputs: number;
  readonly outputs: number;
  /** W [inputs, outputs], the layout in which ONNX's MatMul takes it (PyTorch stores the transpose), and b [outputs]. */
  in(g: Graph): { readonly weight: Value; readonly bias: Value };
}

/** Scale and bias of a layer normalisation, [width] each. */
export interface Norm {
  in(g: Graph): { readonly scale: Value; readonly bias: Value };
}

/** Values that belong to no layer: positions. */
export interface Matrix {
  in(g: Graph): Value;
}

/** The parameters of one model by state-dict name, and the algebra that merges linear maps which stand in a row. */
export interface Parameters<L extends Linear = Linear, N extends Norm = Norm, M extends Matrix = Matrix> {
  /** `name.weight` [outputs, inputs] and `name.bias` [outputs] of a torch.nn.Linear. */
  linear(name: string, inputs: number, outputs: number): L;
  norm(name: string, width: number): N;
  /** The three projections of torch.nn.MultiheadAttention's `in_proj` [3h, h]: query, key, value. */
  projections(name: string, width: number): [query: L, key: L, value: L];
  matrix(name: string, shape: readonly number[]): M;
  /** `second(first(x))` as one map: W = W1 W2, b = b1 W2 + b2. */
  compose(first: L, second: L): L;
  scaled(map: L, factor: number): L;
  /** x W of rows that are no parameter, without the bias. */
  mapped(rows: Float32Array, map: L): M;
  /**
   * A norm and the maps that read its result, where the maps may take over its scale and bias: W' = diag(scale) W,
   * b' = bias W + b. A norm without them costs a gradient no pass over the tokens.
   */
  absorb(norm: N, maps: readonly L[]): { readonly norm: N; readonly maps: readonly L[] };
}
