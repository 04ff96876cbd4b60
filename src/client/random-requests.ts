/** Random requests of a given shape for a served model: load that costs what real requests cost. */
import { randomFillSync } from 'node:crypto';
import { invalid } from '../errors.js';
import type { InlineContext } from '../generated/action_energy/v1/InlineContext.js';
import type { Model__Output } from '../generated/action_energy/v1/Model.js';
import type { ScoreActionsRequest } from '../generated/action_energy/v1/ScoreActionsRequest.js';
import type { Tensor as TensorMessage } from '../generated/action_energy/v1/Tensor.js';
import { fromFloat32, float32Tensor } from '../tensor/tensor.js';
import { contextMessage, tensorMessage } from './messages.js';

export interface RequestShape {
  readonly tokens: number; // S
  /** The last so many of them. */
  readonly masked: number;
  readonly candidates: number; // N
  readonly steps: number; // H
  readonly dtype: 'float32' | 'float16' | 'bfloat16';
}

/** Different candidates before they repeat. */
const VARIANTS = 8;

export interface RandomRequests {
  readonly context: InlineContext;
  /** Number `index`, against the context or, given its id, against a kept one. */
  score(index: number, contextId?: string): Pick<ScoreActionsRequest, 'inline' | 'contextId' | 'candidates'>;
}

/** Errors: more masked tokens than leave two visible (`masked`). */
export function randomRequests(
  { architecture, stateDim, actionDim }: Model__Output,
  { tokens, masked, candidates, steps, dtype }: RequestShape,
): RandomRequests {
  const rows = architecture === 'global_context' ? 1 : tokens;
  const hidden = architecture === 'global_context' ? 0 : masked;
  if (rows - hidden < (rows === 1 ? 1 : 2)) {
    throw invalid('masked', 'too few tokens stay visible', {
      found: `${hidden} of ${rows} masked`,
      wanted: 'at least 2 visible',
    });
  }
  const context = contextMessage(fromFloat32(dtype, [rows, stateDim], normals(rows * stateDim)), [
    [0, rows - hidden],
  ]);
  const shape = [candidates, steps, actionDim];
  const chunks: readonly TensorMessage[] = Array.from({ length: VARIANTS }, () =>
    // within [-1, 1], where normalised actions live
    tensorMessage(
      'candidates',
      float32Tensor(
        shape,
        normals(candidates * steps * actionDim).map((x) => Math.tanh(x)),
      ),
    ),
  );
  return {
    context,
    score: (index, contextId) => ({
      candidates: chunks[index % VARIANTS]!,
      ...(contextId === undefined ? { inline: context } : { contextId }),
    }),
  };
}

/** About standard normal: sums of four uniform values. */
function normals(count: number): Float32Array {
  const bytes = randomFillSync(new Uint8Array(4 * count));
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const sum = bytes[4 * i]! + bytes[4 * i + 1]! + bytes[4 * i + 2]! + bytes[4 * i + 3]!;
    out[i] = (sum - 510) / 147.8; // mean 4 * 127.5; standard deviation 2 * 73.9
  }
  return out;
}
