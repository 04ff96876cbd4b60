/** How experts' actions spread by dim: the size of an action unit, and the dims in which a chunk is free. */
import type { ModelCard } from '../../model/card.js';
import type { CalibrationData } from './calibration-data.js';

/** Rows looked at to learn how far actions spread. */
const SPREAD_ROWS = 2048;
/** A dim that spreads less than this part of the widest one never moves. */
const STILL = 1e-6;

/** Standard deviation of the experts' values by dim, [A], over evenly spaced rows. */
export async function actionSpread(data: CalibrationData): Promise<Float64Array> {
  const { rows, dims, steps } = data;
  const sum = new Float64Array(dims);
  const squares = new Float64Array(dims);
  const looked = Math.min(rows, SPREAD_ROWS);
  for (let i = 0; i < looked; i++) {
    const chunk = await data.actions(Math.floor((i * rows) / looked));
    chunk.forEach((value, at) => {
      sum[at % dims]! += value;
      squares[at % dims]! += value * value;
    });
  }
  const count = looked * steps;
  return sum.map((total, dim) => Math.sqrt(Math.max(0, squares[dim]! / count - (total / count) ** 2)));
}

/**
 * Size of one action unit by dim, [A]: 1 when the card says `normalized_q99` (values lie in [-1, 1]); otherwise the
 * standard deviation of the experts' values, so that noise of 0.3 means the same in metres and radians. A dim that never
 * moves counts as 1.
 */
export function actionUnits(spread: Float64Array, { actions }: ModelCard): Float64Array {
  return spread.map((value) => (actions.units !== 'normalized_q99' && value > 0 ? value : 1));
}

/**
 * Dims whose value a policy chooses, ascending: not those that the card calls derived, nor those that never move in the
 * data. A change of such a dim would be told from an expert's chunk by anyone. Where nothing moves at all, all but the derived.
 *
 * @param spread [A], see `actionSpread`; absent: no data to look at
 */
export function freeDims({ action_dim: dims, actions }: ModelCard, spread?: Float64Array): readonly number[] {
  const chosen = Array.from({ length: dims }, (_, dim) => dim).filter(
    (dim) => !(actions.derived ?? []).includes(dim),
  );
  const widest = Math.max(0, ...(spread ?? []));
  return widest === 0 ? chosen : chosen.filter((dim) => spread![dim]! > STILL * widest);
}
