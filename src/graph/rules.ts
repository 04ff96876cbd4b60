/**
 * One rule an op: which dtypes and shapes it takes, which it yields. Only what the energy graphs use; the semantics are
 * ONNX's (https://onnx.ai/onnx/operators/), opset `OPSET` of `onnx.ts`.
 */
import { ELEMENT_RULES } from './element-rules.js';
import { PRODUCT_RULES } from './product-rules.js';
import { SHAPE_RULES } from './shape-rules.js';
import type { OpRule } from './rule.js';

export type OpType = keyof typeof ELEMENT_RULES | keyof typeof PRODUCT_RULES | keyof typeof SHAPE_RULES;

export const RULES: Record<OpType, OpRule> = { ...ELEMENT_RULES, ...PRODUCT_RULES, ...SHAPE_RULES };
