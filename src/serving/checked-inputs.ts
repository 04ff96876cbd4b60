/**
 * Contexts, chunks and pools of a request, checked against the model's card and the server's limits before any of it is
 * queued. Tensors come in as they were sent; `field` is where they stood, as the contract names it.
 */
import type { ContextRef } from '../batching/work.js';
import type { Config } from '../config/schema.js';
import type { EncodeItem } from '../engine/engine.js';
import { invalid } from '../errors.js';
import { checkActions, type ActionBatch } from '../model/actions.js';
import type { ModelCard, Pool } from '../model/card.js';
import { checkContext, maskFromPieces, polarised, visibleCount, type MaskPieces } from '../model/context.js';
import { checkWindow } from '../model/energy.js';
import { makeTensor, type Tensor } from '../tensor/tensor.js';
import type { ServedModel } from './served-model.js';
import type { ServingParts } from './admission.js';

/** A context as it was sent along. */
export interface InlineInput {
  readonly kind: 'inline';
  readonly field: string;
  readonly hidden: Tensor;
  readonly mask?: Tensor | Omit<MaskPieces, 'tokens'>;
}

/** The same, or the id of a kept one. */
export type ContextInput =
  InlineInput | { readonly kind: 'kept'; readonly field: string; readonly id: string };

/** Lengths of context ids; longer ones are not even looked up. */
const MAX_ID_LENGTH = 128;

/**
 * Values of the chunks of one request, [N, H, A]: to check and widen a million takes some 10 ms, in which the main thread does
 * nothing else.
 */
const MOST_VALUES = 2 ** 20;

/** Of visible tokens in the masks of one request: each becomes an object, and goes to the engine as one. */
const MOST_RUNS = 2 ** 15;

type InlineRef = Extract<ContextRef, { kind: 'inline' }>;
type KeptRef = Extract<ContextRef, { kind: 'kept' }>;

/** Either of the two. `move`: give the memory behind its bytes away with it. */
export function checkedContext(
  parts: Pick<ServingParts, 'limits' | 'metrics'>,
  model: Pick<ServedModel, 'name' | 'card' | 'inputs'>,
  input: ContextInput,
  move: boolean,
): InlineRef | KeptRef {
  if (input.kind === 'kept') return { kind: 'kept', id: checkedId(input.field, input.id) };
  return checkedInline(parts, model, input, move);
}

/** Those of a matrix. Errors: those of each; masks with too many runs of visible tokens in all. */
export function checkedContexts(
  parts: Pick<ServingParts, 'limits' | 'metrics'>,
  model: Pick<ServedModel, 'name' | 'card' | 'inputs'>,
  inputs: readonly ContextInput[],
  move: boolean,
): (InlineRef | KeptRef)[] {
  let runs = 0;
  return inputs.map((input) => {
    const context = checkedContext(parts, model, input, move);
    if (context.kind === 'inline') runs += context.encode.visible.length;
    if (runs <= MOST_RUNS) return context;
    throw invalid(`${input.field}.pad_mask`, 'too many runs of visible tokens in one request', {
      found: `${runs}, with those of the contexts before`,
      wanted: `at most ${MOST_RUNS}`,
      mend: 'Split the request',
    });
  });
}

/**
 * Checks a context against the card and counts its tokens. Errors name the field below `field`: hidden, pad_mask,
 * mask_pieces.
 */
export function checkedInline(
  { limits, metrics }: Pick<ServingParts, 'limits' | 'metrics'>,
  { name, card, inputs }: Pick<ServedModel, 'name' | 'card' | 'inputs'>,
  { field, hidden, mask: sent }: InlineInput,
  move: boolean,
): InlineRef {
  const rows = hidden.shape.length === 1 ? 1 : (hidden.shape[0] ?? 0);
  if (rows > limits.tokens) {
    throw invalid(`${field}.hidden.shape[0]`, 'too many tokens', {
      found: String(rows),
      wanted: `at most ${limits.tokens}`,
    });
  }
  const pieces = sent !== undefined && !('dtype' in sent);
  if (sent !== undefined && card.architecture === 'global_context') {
    throw invalid(`${field}.${pieces ? 'mask_pieces' : 'pad_mask'}`, 'a global_context model has no mask', {
      found: 'a mask',
      wanted: 'nothing: its context is one vector',
      mend: 'Leave the mask out',
    });
  }
  const mask = pieces
    ? makeTensor(
        `${field}.mask_pieces`,
        'bool',
        [rows],
        polarised(maskFromPieces({ tokens: rows, ...sent }, `${field}.mask_pieces`), card),
      )
    : sent;
  const { dtype, tokens, visible } = checkContext(hidden, mask, card, field);
  const seen = visibleCount(visible);
  metrics.tokens.inc({ model: name, kind: 'visible' }, seen);
  metrics.tokens.inc({ model: name, kind: 'masked' }, tokens - seen);
  const encode: Omit<EncodeItem, 'slot'> = { dtype, bytes: hidden.bytes, visible, move };
  inputs?.context(encode);
  return { kind: 'inline', encode };
}

/** The id of a kept context. Errors name `field`. */
export function checkedId(field: string, id: string): string {
  if (id !== '' && id.length <= MAX_ID_LENGTH) return id;
  throw invalid(field, 'not a context id', {
    found: id === '' ? 'nothing' : `${id.length} characters`,
    wanted: 'an id from PutContext or keep_context',
  });
}

/**
 * [N, H, A], or [H, A] for one chunk, as float32, to be scored against `contexts` contexts. `move`: the memory that they
 * came in is about to be moved away, so the values must not lie in it. Errors name `field`.
 */
export function checkedActions(
  limits: Pick<Config['limits'], 'candidates' | 'steps' | 'scoredSteps'>,
  card: ModelCard,
  field: string,
  sent: Tensor,
  contexts: number,
  move: boolean,
): ActionBatch {
  const tensor = sent.shape.length === 2 ? { ...sent, shape: [1, ...sent.shape] } : sent;
  const [candidates = 0, steps = 0] = tensor.shape;
  if (candidates > limits.candidates) {
    throw invalid(`${field}.shape[0]`, 'too many chunks', {
      found: String(candidates),
      wanted: `at most ${limits.candidates}`,
    });
  }
  if (card.chunk === undefined && steps > limits.steps) {
    throw invalid(`${field}.shape`, 'too many steps', {
      found: String(steps),
      wanted: `at most ${limits.steps}`,
    });
  }
  if (contexts * candidates * steps > limits.scoredSteps) {
    throw invalid(`${field}.shape`, 'too many steps to score', {
      found: `${contexts} contexts x ${candidates} chunks x ${steps} steps`,
      wanted: `at most ${limits.scoredSteps}`,
      mend: 'Split the request',
    });
  }
  const values = tensor.shape.reduce((product, size) => product * size, 1);
  if (values > MOST_VALUES) {
    throw invalid(`${field}.shape`, 'too many values in one request', {
      found: String(values),
      wanted: `at most ${MOST_VALUES}`,
      mend: 'Send fewer chunks',
    });
  }
  const batch = checkActions(tensor, card, field);
  const shared = batch.values.buffer === sent.bytes.buffer;
  return move && shared ? { ...batch, values: batch.values.slice() } : batch;
}

/** The pool that was asked for, else the card's, for chunks of H = `steps`. Errors name `field`. */
export function checkedPool(field: string, pool: Pool | undefined, card: ModelCard, steps: number): Pool {
  if (pool === undefined) return card.pool;
  if (pool.kind === 'weighted' && pool.weights !== undefined) {
    if (pool.weights.length !== steps) {
      throw invalid(`${field}.weighted.weights`, 'one weight a step', {
        found: `${pool.weights.length} weights`,
        wanted: `${steps}`,
      });
    }
    const bad = pool.weights.findIndex((weight) => !Number.isFinite(weight));
    if (bad >= 0) {
      throw invalid(`${field}.weighted.weights[${bad}]`, 'not finite', { found: String(pool.weights[bad]) });
    }
  }
  if (pool.kind === 'discount' && !(pool.gamma > 0 && pool.gamma <= 1)) {
    throw invalid(`${field}.discount.gamma`, 'not a discount', {
      found: String(pool.gamma),
      wanted: 'above 0, at most 1',
    });
  }
  if (pool.kind === 'windowed_max') checkWindow(pool.window, steps, `${field}.windowed_max.window`);
  return pool;
}

/** The temperature that was asked for, else the card's. Errors name `field`. */
export function checkedTau(field: string, tau: number | undefined, card: ModelCard): number {
  if (tau === undefined) return card.tau;
  if (tau > 0 && tau < Infinity) return tau;
  throw invalid(field, 'not a temperature', { found: String(tau), wanted: 'a finite number above 0' });
}

/** A place among the candidates. Errors name `field`. */
export function checkedIndex(field: string, index: number, candidates: number): number {
  if (index < candidates) return index;
  throw invalid(field, 'no such candidate', { found: String(index), wanted: `below ${candidates}` });
}
