/** Shape inference, one rule an op: which dtypes and shapes it takes, which it yields. */
import type { OpType } from '../value.js';
import { ELEMENTWISE } from './elementwise.js';
import { PRODUCTS } from './products.js';
import type { InferRule } from './rule.js';
import { SHAPES } from './shapes.js';

export const INFER: Readonly<Record<OpType, InferRule>> = { ...ELEMENTWISE, ...PRODUCTS, ...SHAPES };
