/**
 * The order in which a graph should name its outputs so that little is kept for long. ONNX Runtime runs the nodes by depth-first search
 * from the last output back (with `MEMORY.LEAN` of `engine/runtime.ts`), so the output that is ready first comes last: a
 * gradient by a weight is then made as soon as the way back passes it, and the activations that it reads are freed.
 */
import type { Graph } from './graph.js';
import { holdsRowsOfBatch } from './dims.js';
import type { Value } from './value.js';

/**
 * Indices of `values` by when the graph has what they are made of, the latest first. What counts is the last node that reads
 * rows of a batch; the products of small matrices behind it may come at any time.
 */
export function latestFirst({ nodes }: Pick<Graph, 'nodes'>, values: readonly Value[]): number[] {
  const readyAt = new Map<string, number>();
  for (const [place, { inputs, outputs }] of nodes.entries()) {
    const wide = inputs.some((input) => input && holdsRowsOfBatch(input.shape));
    const before = inputs.map((input) => (input && readyAt.get(input.name)) ?? -1);
    for (const { name } of outputs) readyAt.set(name, wide ? place : Math.max(-1, ...before));
  }
  const placeOf = (index: number): number => readyAt.get(values[index]!.name) ?? -1;
  return [...values.keys()].sort((one, other) => placeOf(other) - placeOf(one));
}
