/**
 * What a rule of shape inference is given, and what rules ask of their node. Errors are plain: the graph adds the node's
 * name and operands.
 */
import { broadcast, showShape, type Dim, type Shape } from '../dims.js';
import type { ElementType } from '../element-type.js';
import type { Attributes, Value } from '../value.js';

export interface Inference {
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** The result's shape where it is computed at run time and only the caller can name it. */
  readonly declared?: Shape;
  /** The elements of an int64 constant; undefined when the value is computed. */
  integersOf(value: Value): readonly number[] | undefined;
}

export interface ValueType {
  readonly dtype: ElementType;
  readonly shape: Shape;
}

/** Which dtypes and shapes an op takes, and what it yields, in the order of its outputs. */
export type InferRule = (node: Inference) => ValueType[];

/** Input `index` of the node; throws when it is absent. */
export function operand(node: Inference, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new Error(`input ${index} is missing`);
  return value;
}

export function floatOperand(node: Inference, index: number): Value {
  const value = operand(node, index);
  if (value.dtype !== 'float32') throw new Error(`input ${index} is ${value.dtype}, not float32`);
  return value;
}

export function constantOperand(node: Inference, index: number): readonly number[] {
  const integers = node.integersOf(operand(node, index));
  if (!integers) throw new Error(`input ${index} must be an int64 constant`);
  return integers;
}

export function declaredShape(node: Inference): Shape {
  if (!node.declared) throw new Error('the shape of the result must be declared');
  return node.declared;
}

export function integerAttribute(node: Inference, name: string): number {
  const value = node.attributes[name];
  if (typeof value !== 'number') throw new Error(`attribute ${name} must be an integer`);
  return value;
}

/** The axis counted from 0; negative ones count from the end. */
export function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!(positive >= 0 && positive < rank)) throw new Error(`axis ${axis} is outside rank ${rank}`);
  return positive;
}

/** Axes counted from 0, none twice. */
export function axesOf(axes: readonly number[], rank: number): number[] {
  const positive = axes.map((axis) => axisOf(axis, rank));
  if (new Set(positive).size !== positive.length) throw new Error(`axes ${axes.join(', ')} name one twice`);
  return positive;
}

export function sameDType(...values: Value[]): ElementType {
  const { dtype } = values[0]!;
  if (values.some((value) => value.dtype !== dtype)) throw new Error('dtypes differ');
  return dtype;
}

export function broadcastShapes(...values: Value[]): Dim[] {
  let shape: Dim[] = [];
  for (const value of values) {
    const next = broadcast(shape, value.shape);
    if (!next) throw new Error(`${showShape(shape)} and ${showShape(value.shape)} do not broadcast`);
    shape = next;
  }
  return shape;
}
