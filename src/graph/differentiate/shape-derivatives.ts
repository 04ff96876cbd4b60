/** Derivatives of ops that move elements: the gradient moves back. */
import { difference, type Dim } from '../dims.js';
import { axisOf } from '../infer/rule.js';
import { transpose } from '../ops.js';
import { flat, reshapeLike, rule, sumTo, type Derivative } from './rule.js';

/** Beyond every dim: a slice up to here goes to the end. */
const TO_THE_END = 2 ** 31 - 1;

export const SHAPE_DERIVATIVES = {
  Concat: rule(({ g, node, dy, wanted }) => {
    const axis = axisOf(node.attributes['axis'] as number, dy.shape.length);
    let start = 0;
    return node.inputs.map((operand, index) => {
      const size = operand!.shape[axis]!;
      if (typeof size !== 'number') throw new Error(`joined along ${size}, a size that only the run knows`);
      const from = start;
      start += size;
      if (!wanted(index)) return undefined;
      const bounds = [g.integers('starts', [from]), g.integers('ends', [start])];
      return g.apply('Slice', [dy, ...bounds, g.integers('axes', [axis])])[0];
    });
  }),
  Expand: rule(({ g, dy, x }) => [sumTo(g, dy, x)]),
  Pad: rule(({ g, node, dy, x }) => {
    const rank = x.shape.length;
    const pads = g.constants.get(node.inputs[1]!.name)!.integers!;
    const axes = [...x.shape.keys()].filter((axis) => pads[axis]! + pads[axis + rank]! > 0);
    const starts = axes.map((axis) => pads[axis]!);
    const ends = axes.map((axis) => (pads[axis + rank] === 0 ? TO_THE_END : -pads[axis + rank]!));
    const bounds = [g.integers('starts', starts), g.integers('ends', ends), g.integers('axes', axes)];
    return [axes.length === 0 ? dy : g.apply('Slice', [dy, ...bounds], {}, x.shape)[0]];
  }),
  Reshape: rule(({ g, dy, x }) => [reshapeLike(g, dy, x)]),
  Shape: flat('a shape does not move with the elements'),
  Slice: rule(({ g, node, dy, x }) => {
    const integers = (index: number): readonly number[] | undefined =>
      g.constants.get(node.inputs[index]!.name)?.integers;
    const starts = integers(1);
    const before = x.shape.map(() => 0);
    const after = x.shape.map(() => 0);
    for (const [at, named] of integers(3)!.entries()) {
      const axis = axisOf(named, x.shape.length);
      const whole = x.shape[axis]!;
      const cut = difference(whole, dy.shape[axis]!);
      const start = starts && firstKept(starts[at]!, whole);
      if (cut === undefined || start === undefined) {
        throw new Error(`cut along ${whole} at bounds that only the run knows`);
      }
      before[axis] = Math.min(start, cut);
      after[axis] = cut - before[axis];
    }
    return [g.apply('Pad', [dy, g.integers('pads', [...before, ...after])])[0]];
  }),
  Transpose: rule(({ g, node, dy }) => {
    const perm = node.attributes['perm'] as readonly number[];
    return [
      transpose(
        g,
        dy,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
    ];
  }),
  Unsqueeze: rule(({ g, dy, x }) => [reshapeLike(g, dy, x)]),
} satisfies Record<string, Derivative>;

/** A start as ONNX reads it, counted from 0 (too great ones are for the caller); undefined where only the run knows. */
function firstKept(start: number, whole: Dim): number | undefined {
  if (start >= 0) return start;
  return typeof whole === 'number' ? Math.max(0, start + whole) : undefined;
}
