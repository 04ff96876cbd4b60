/** The losses of a recipe over the data that they are trained on: whether the data have what they need, and their terms. */
import type { CalibrationData } from '../calibration/data/calibration-data.js';
import { ALIGNMENT_SIGMAS, type LossTerm } from '../energy/loss-terms.js';
import { invalid } from '../errors.js';
import type { Recipe, TrainedLoss } from './recipe.js';

type Shape = Pick<CalibrationData, 'hasCost' | 'outcome' | 'candidates'>;

/** With their weights. `negatives`: M of explicit and hinge. */
export function lossTerms(
  { losses, tau }: Pick<Recipe, 'losses' | 'tau'>,
  data: Shape,
  negatives: number,
): { readonly term: LossTerm; readonly weight: number }[] {
  return losses.map(({ kind, weight }) => ({ term: termOf(kind, tau, data, negatives), weight }));
}

function termOf(kind: TrainedLoss, tau: number, { candidates }: Shape, negatives: number): LossTerm {
  switch (kind) {
    case 'swap':
    case 'outcome':
      return { kind, tau };
    case 'explicit':
      return { kind, tau, negatives };
    case 'hinge':
      return { kind, negatives };
    case 'margin':
      return { kind };
    case 'alignment':
      return { kind, noises: ALIGNMENT_SIGMAS.length };
    case 'rank':
    case 'listwise':
      return { kind, tau, candidates };
  }
}

/** Errors: `invalid` naming the column that a loss is over and that the data do not have. */
export function checkLossData(data: Shape, kinds: readonly TrainedLoss[]): void {
  const ranked = kinds.find((kind) => kind === 'rank' || kind === 'listwise');
  if (ranked !== undefined && !data.hasCost) {
    throw invalid('candidate_cost', `the data have none, and ${ranked} is over what candidates cost`, {
      wanted: 'candidates [M, N, H, A] and candidate_cost [M, N]',
    });
  }
  if (kinds.includes('outcome') && data.outcome === undefined) {
    throw invalid('outcome', 'the data have none', {
      wanted: 'outcome [M]: 1 after success, 0 after failure',
    });
  }
}
