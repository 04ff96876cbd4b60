/** Ops that work element by element. */
import { ELEMENT_BYTES, ONNX_TYPE, type ElementType } from '../element-type.js';
import {
  broadcastShapes,
  floatOperand,
  integerAttribute,
  operand,
  sameDType,
  type Inference,
  type InferRule,
} from './rule.js';

const binary =
  (allowed: readonly ElementType[], result?: ElementType): InferRule =>
  (node) => {
    const [a, b] = [operand(node, 0), operand(node, 1)];
    const dtype = sameDType(a, b);
    if (!allowed.includes(dtype)) throw new Error(`dtype ${dtype} is not one of ${allowed.join(', ')}`);
    return [{ dtype: result ?? dtype, shape: broadcastShapes(a, b) }];
  };

const NUMBERS = ['float32', 'int32', 'int64', 'uint32'] as const;
const arithmetic = binary(NUMBERS);
const floatUnary: InferRule = (node) => [floatOperand(node, 0)];

/** Attribute `to` of Cast and BitCast, written as ONNX's type number by the caller. */
function castTarget(node: Inference): ElementType {
  const to = integerAttribute(node, 'to');
  const found = (Object.entries(ONNX_TYPE) as [ElementType, number][]).find(([, code]) => code === to);
  if (!found) throw new Error(`unknown element type ${to}`);
  return found[0];
}

export const ELEMENTWISE = {
  Abs: floatUnary,
  Add: arithmetic,
  BitCast(node) {
    const x = operand(node, 0);
    const dtype = castTarget(node);
    if (ELEMENT_BYTES[dtype] !== ELEMENT_BYTES[x.dtype])
      throw new Error(`${x.dtype} and ${dtype} differ in width`);
    return [{ dtype, shape: x.shape }];
  },
  Cast: (node) => [{ dtype: castTarget(node), shape: operand(node, 0).shape }],
  Div: arithmetic,
  Greater: binary(NUMBERS, 'bool'),
  Identity: (node) => [operand(node, 0)],
  Mul: arithmetic,
  Neg: floatUnary,
  Relu: floatUnary,
  Sigmoid: floatUnary,
  Sign: floatUnary,
  Softplus: floatUnary,
  Sqrt: floatUnary,
  Sub: arithmetic,
  Where(node) {
    const [condition, a, b] = [operand(node, 0), operand(node, 1), operand(node, 2)];
    if (condition.dtype !== 'bool') throw new Error('a bool condition wanted');
    return [{ dtype: sameDType(a, b), shape: broadcastShapes(condition, a, b) }];
  },
} satisfies Record<string, InferRule>;
