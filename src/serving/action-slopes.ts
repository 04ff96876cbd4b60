/** dE/dA on its way to the engine and back. */
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import type { Slope } from '../engine/engine.js';
import { invalid } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import type { Pool } from '../model/card.js';
import { poolWeights } from '../model/energy.js';

/** The derivative of each energy by its own chunk. */
export interface ActionGradients {
  /** [N, H, A]. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** What the engine is to differentiate. Errors: the corrected score, whose density has no gradient here; they name `field`. */
export function slopeOf(field: string, score: ChoiceScore, pool: Pool, steps: number): Slope {
  if (score === 'corrected') {
    throw invalid(field, 'the corrected score has no gradient', {
      found: 'CORRECTED',
      wanted: 'READOUT or LOGIT',
    });
  }
  const windowed = pool.kind === 'windowed_max';
  return { score, pool: windowed ? { window: pool.window } : Float32Array.from(poolWeights(pool, steps)) };
}

/** [N, H + H*A] as raw steps [N, H] and gradients [N, H, A]. */
export function withoutSlopes(
  values: Float32Array,
  { candidates, steps }: Pick<ActionBatch, 'candidates' | 'steps'>,
): { readonly raw: Float32Array; readonly gradients: ActionGradients } {
  const width = values.length / candidates;
  const raw = new Float32Array(candidates * steps);
  const gradients = new Float32Array(values.length - raw.length);
  const dims = width / steps - 1; // A
  for (let i = 0; i < candidates; i++) {
    raw.set(values.subarray(i * width, i * width + steps), i * steps);
    gradients.set(values.subarray(i * width + steps, (i + 1) * width), i * (width - steps));
  }
  return { raw, gradients: { shape: [candidates, steps, dims], values: gradients } };
}
