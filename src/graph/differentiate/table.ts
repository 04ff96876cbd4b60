/** Derivatives, one row an op, beside the table of shapes: a rule, or the reason why there is none. */
import type { OpType } from '../value.js';
import { ELEMENTWISE_DERIVATIVES } from './elementwise-derivatives.js';
import { PRODUCT_DERIVATIVES } from './product-derivatives.js';
import type { Derivative } from './rule.js';
import { SHAPE_DERIVATIVES } from './shape-derivatives.js';

export const DERIVATIVES: Readonly<Record<OpType, Derivative>> = {
  ...ELEMENTWISE_DERIVATIVES,
  ...PRODUCT_DERIVATIVES,
  ...SHAPE_DERIVATIVES,
};
