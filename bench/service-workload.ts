/** One request of a policy server at the reference size, as the wire carries it and as the bare engine takes it. */
import { contextMessage, tensorMessage } from '../src/client/messages.js';
import type { EngineBatch, EncodeItem, ScoreItem } from '../src/engine/engine.js';
import type { InlineContext } from '../src/generated/action_energy/v1/InlineContext.js';
import type { Tensor as TensorMessage } from '../src/generated/action_energy/v1/Tensor.js';
import { float32Tensor } from '../src/tensor/tensor.js';
import { randomActions, randomContext, REFERENCE_SIZE } from './random-model.js';

export const CANDIDATES = 16; // N
/** Of the engine's own context that `kept` batches score against. */
export const KEPT_SLOT = 1_000_000;

const { tokens, masked, steps, actionDim } = REFERENCE_SIZE;
const hidden = randomContext(REFERENCE_SIZE, 'bfloat16', 1);
const actions = randomActions(REFERENCE_SIZE, CANDIDATES, 2);
const visible = [[0, tokens - masked]] as const;

/** [S, D] bfloat16 with its mask, 4.9 MB. */
export const context: InlineContext = contextMessage(hidden, visible);
/** [N, H, A] float32. */
export const candidates: TensorMessage = tensorMessage(
  'candidates',
  float32Tensor([CANDIDATES, steps, actionDim], actions),
);
export const contextBytes = hidden.bytes.byteLength;

function encodeItem(slot: number): EncodeItem {
  return { slot, dtype: 'bfloat16', bytes: hidden.bytes, visible, move: false };
}

function scoreItem(slot: number): ScoreItem {
  return { slots: [slot], actions, candidates: CANDIDATES, steps };
}

/** `requests` of them in one batch, each with its own context. */
export function freshBatch(requests: number): EngineBatch {
  const slots = Array.from({ length: requests }, (_, slot) => slot);
  return { encode: slots.map(encodeItem), score: slots.map(scoreItem), release: slots };
}

/** The same against the context in `KEPT_SLOT`. */
export function keptBatch(requests: number): EngineBatch {
  const score = Array.from({ length: requests }, () => scoreItem(KEPT_SLOT));
  return { encode: [], score, release: [] };
}

export const keepBatch: EngineBatch = { encode: [encodeItem(KEPT_SLOT)], score: [], release: [] };
