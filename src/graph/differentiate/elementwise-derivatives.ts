/** Derivatives of ops that work element by element: `dx = dy * f'(x)`, summed over axes along which x was broadcast. */
import { cast, div, greater, mul, neg, sigmoid, sign, sub, where } from '../ops.js';
import { flat, refused, rule, scalar, sumTo, timesNumber, type Derivative } from './rule.js';

export const ELEMENTWISE_DERIVATIVES = {
  Abs: rule(({ g, dy, x }) => [mul(g, dy, sign(g, x))]),
  Add: rule(({ g, node, dy, wanted }) =>
    node.inputs.map((operand, index) => (wanted(index) ? sumTo(g, dy, operand!) : undefined)),
  ),
  BitCast: refused('bits read as another type are no function that could be differentiated'),
  /** Rounding is taken as the identity. */
  Cast: rule(({ g, dy, x }) => [cast(g, dy, x.dtype)]),
  Div: rule(({ g, node, dy, y, wanted }) => {
    const [a, b] = [node.inputs[0]!, node.inputs[1]!];
    const da = div(g, dy, b);
    return [
      wanted(0) ? sumTo(g, da, a) : undefined,
      wanted(1) ? sumTo(g, neg(g, mul(g, da, y)), b) : undefined,
    ];
  }),
  Greater: flat('a truth value does not move with its operands'),
  Identity: rule(({ dy }) => [dy]),
  Mul: rule(({ g, node, dy, wanted }) => {
    const [a, b] = [node.inputs[0]!, node.inputs[1]!];
    return [
      wanted(0) ? sumTo(g, mul(g, dy, b), a) : undefined,
      wanted(1) ? sumTo(g, mul(g, dy, a), b) : undefined,
    ];
  }),
  Neg: rule(({ g, dy }) => [neg(g, dy)]),
  /** 0 at 0, as PyTorch has it. A product with 0 or 1: the runtime's Where takes half as long again. */
  Relu: rule(({ g, dy, y }) => [mul(g, dy, cast(g, greater(g, y, scalar(g, 0)), 'float32'))]),
  Sigmoid: rule(({ g, dy, y }) => [mul(g, dy, sub(g, y, mul(g, y, y)))]),
  Sign: flat('a sign does not move with its operand'),
  Softplus: rule(({ g, dy, x }) => [mul(g, dy, sigmoid(g, x))]),
  Sqrt: rule(({ g, dy, y }) => [div(g, timesNumber(g, dy, 0.5), y)]),
  Sub: rule(({ g, node, dy, wanted }) => [
    wanted(0) ? sumTo(g, dy, node.inputs[0]!) : undefined,
    wanted(1) ? sumTo(g, neg(g, dy), node.inputs[1]!) : undefined,
  ]),
  Where: rule(({ g, node, dy, wanted }) => {
    const [condition, a, b] = [node.inputs[0]!, node.inputs[1]!, node.inputs[2]!];
    const zero = scalar(g, 0);
    return [
      undefined,
      wanted(1) ? sumTo(g, where(g, condition, dy, zero), a) : undefined,
      wanted(2) ? sumTo(g, where(g, condition, zero, dy), b) : undefined,
    ];
  }),
} satisfies Record<string, Derivative>;
