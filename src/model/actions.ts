/** Checks a batch of action chunks against the card, so that what is scored is what the model was trained on. */
import { invalid } from '../errors.js';
import { isFloatDType, toFloat32, formatShape, type Tensor } from '../tensor/tensor.js';
import type { ModelCard } from './card.js';

/**
 * With units `normalized_q99` training saw values clipped to [-1, 1]. Beyond this magnitude a value is no unusual action
 * (perturbed and doubled ones stay under 3) but one that nobody normalised, and the energy would be confident nonsense.
 */
export const FAR_OUTSIDE_NORMALIZED = 5;

export interface ActionBatch {
  /** [N, H, A] row-major. */
  readonly values: Float32Array;
  /** N. */
  readonly candidates: number;
  /** H. */
  readonly steps: number;
}

/**
 * Checks dtype (float), shape [N, H, A] with N, H >= 1, A the card's, H the card's chunk where it has one, and every
 * value: finite; inside the card's bounds where it declares them; with units `normalized_q99` not beyond
 * ±`FAR_OUTSIDE_NORMALIZED`. Without declared bounds a value outside [-1, 1] is allowed. Errors name candidate, step and
 * dim of the first offender.
 */
export function checkActions(tensor: Tensor, card: ModelCard, field = 'candidates'): ActionBatch {
  const { shape } = tensor;
  const [candidates = 0, steps = 0, dims] = shape;
  const wantedSteps = card.chunk;
  if (!isFloatDType(tensor.dtype)) {
    throw invalid(`${field}.dtype`, 'not a floating-point tensor', {
      found: tensor.dtype,
      wanted: 'float32, float16, bfloat16 or float64',
    });
  }
  const fits =
    shape.length === 3 &&
    dims === card.action_dim &&
    candidates >= 1 &&
    steps >= 1 &&
    (wantedSteps === undefined || steps === wantedSteps);
  if (!fits) {
    throw invalid(`${field}.shape`, 'does not fit the model', {
      found: formatShape(shape),
      wanted: `[N, ${wantedSteps ?? 'H'}, ${card.action_dim}], N >= 1 for model ${card.name}`,
    });
  }
  const values = toFloat32(field, tensor);
  checkValues(values, steps, card, field);
  return { values, candidates, steps };
}

function checkValues(values: Float32Array, steps: number, card: ModelCard, field: string): void {
  const { units, bounds } = card.actions;
  const dims = card.action_dim;
  const limit = units === 'normalized_q99' ? FAR_OUTSIDE_NORMALIZED : Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const dim = i % dims;
    if (!Number.isFinite(value)) {
      throw invalid(place(field, i, steps, card), 'non-finite action', {
        found: String(value),
        wanted: 'a finite value',
      });
    }
    if (bounds && (value < bounds.low[dim]! || value > bounds.high[dim]!)) {
      throw invalid(place(field, i, steps, card), 'outside the bounds of the model card', {
        found: String(value),
        wanted: `${bounds.low[dim]!} to ${bounds.high[dim]!} (${units})`,
        mend: `Clip the action, or check that it is in the card's units`,
      });
    }
    if (Math.abs(value) > limit) {
      throw invalid(place(field, i, steps, card), 'does not look normalised', {
        found: String(value),
        wanted: `q01/q99-normalised values, within ±${limit}`,
        mend: 'Score the normalised actions that the policy puts out, before they are turned into robot units',
      });
    }
  }
}

/** `candidates[2, 0, 6] (candidate 2, step 0, dim 6 gripper)`. */
function place(field: string, index: number, steps: number, card: ModelCard): string {
  const dim = index % card.action_dim;
  const step = Math.floor(index / card.action_dim) % steps;
  const candidate = Math.floor(index / (card.action_dim * steps));
  const name = card.actions.names?.[dim];
  const named = name === undefined ? '' : ` ${name}`;
  return `${field}[${candidate}, ${step}, ${dim}] (candidate ${candidate}, step ${step}, dim ${dim}${named})`;
}
