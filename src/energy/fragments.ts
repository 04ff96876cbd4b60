/**
 * What every architecture is made of: fragments, values of a graph in and values of the same graph out, so that they compose.
 * A context is encoded once however many candidates it is scored against; linear work on steps is packed over
 * candidates; only `attend` sees a context and steps together.
 *
 *   encode -> layOut            query -> attend(context) -> head -> raw per-step values
 *
 * Shapes are written without leading batch axes; every fragment takes them, and `attend` broadcasts those of an attention.
 */
import type { Graph } from '../graph/graph.js';
import type { Normalised } from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import type { Matrix } from './bound-parameters.js';

export interface Encoded {
  /** One [T, contextWidth] a name of `contextNames`. */
  readonly matrices: readonly Value[];
  /** A norm of the tokens: its statistics are finite exactly when the token is usable. */
  readonly input: Normalised;
}

export interface EnergyFragments<M extends Matrix = Matrix> {
  /** Names of the matrices that a context is encoded into. */
  readonly contextNames: readonly string[];
  readonly contextWidth: number;
  readonly queryWidth: number;
  readonly attendedWidth: number;
  /** Shape of one matrix of a context of T tokens as `attend` reads it. */
  slotShape(tokens: number): readonly number[];
  /** `tokens` [T, D]. */
  encode(g: Graph, tokens: Value): Encoded;
  /** One matrix [T, contextWidth] as `attend` reads it, `slotShape(T)`. */
  layOut(g: Graph, matrix: Value): Value;
  /** What the steps 0..H-1 add to the queries or join to them, [H, h]. */
  positions(steps: number): M;
  /** `actions` [H, A] and `positions` [H, h] to queries [H, queryWidth]. */
  query(g: Graph, actions: Value, positions: Value): Value;
  /**
   * The same in training, `dropout` [H, h] multiplied in where the report has it: 0 for a dropped unit, 1 / (1 - p) for a kept
   * one. Absent where the architecture has no dropout.
   */
  readonly queryWithDropout?: (g: Graph, actions: Value, dropout: Value) => Value;
  /** Queries [Q, queryWidth] and a context as laid out to [Q, attendedWidth]; `bias` is added to an attention's logits. */
  attend(g: Graph, query: Value, context: readonly Value[], bias?: Value): Value;
  /** [Q, attendedWidth] to raw values [rows], and what the prediction head reads, whose finiteness is watched. */
  head(g: Graph, attended: Value): { readonly raw: Value; readonly watched: Value };
}

/** The inputs `<name>_heads` of one context of T tokens. */
export function contextInputs(g: Graph, fragments: EnergyFragments): Value[] {
  // the axis that grows with the tokens is the one that T names
  const [one, two] = [fragments.slotShape(1), fragments.slotShape(2)];
  const shape = one.map((size, axis) => (size === two[axis] ? size : 'T'));
  return fragments.contextNames.map((name) => g.input(`${name}_heads`, 'float32', shape));
}
