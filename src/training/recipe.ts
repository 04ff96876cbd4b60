/** What a training run is: everything that its result depends on besides the data and the model that it begins with. */
import { invalid } from '../errors.js';
import { NEGATIVE_FAMILIES, type NegativeFamily } from './negatives.js';
import { LOSS_KINDS } from '../energy/loss-terms.js';
import { OUTCOME_KINDS } from '../energy/outcome-terms.js';

export const TRAINED_LOSSES = [...LOSS_KINDS, ...OUTCOME_KINDS] as const;
export type TrainedLoss = (typeof TRAINED_LOSSES)[number];

export interface WeightedLossKind {
  readonly kind: TrainedLoss;
  readonly weight: number;
}

export interface Recipe {
  /** The weighted sum that is minimised. */
  readonly losses: readonly WeightedLossKind[];
  readonly tau: number;
  /** Of explicit and hinge; absent: all that data and card allow. */
  readonly negatives?: readonly NegativeFamily[];
  /** B: pairs of one step. */
  readonly batch: number;
  /** Steps whose gradients are averaged for one update. */
  readonly accumulate: number;
  readonly epochs: number;
  /** Ends the run before `epochs` does; Infinity: never. */
  readonly mostUpdates: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** `cosine` falls to 0 at the end of the run. */
  readonly schedule: 'constant' | 'cosine';
  /** Updates over which the learning rate rises from 0. */
  readonly rampUpdates: number;
  /** No update in the first so many steps. */
  readonly energyWarmSteps: number;
  /** Greatest global norm of a gradient. */
  readonly clip: number;
  /** Share of the query units that are dropped in training. */
  readonly dropout: number;
  readonly seed: number;
  /** Share of the episodes that are held out. */
  readonly validationShare: number;
  /** Updates between two validations. */
  readonly validateEvery: number;
  /** Validations without a better one after which the run ends; 0: never. */
  readonly patience: number;
}

/** The report's (docs/model.md, "Training"). */
export const DEFAULT_RECIPE: Omit<Recipe, 'tau'> = {
  losses: [{ kind: 'swap', weight: 1 }],
  batch: 16,
  accumulate: 1,
  epochs: 10,
  mostUpdates: Infinity,
  learningRate: 5e-4,
  weightDecay: 0.01,
  schedule: 'constant',
  rampUpdates: 0,
  energyWarmSteps: 0,
  clip: 1,
  dropout: 0.2,
  seed: 0,
  validationShare: 0.1,
  validateEvery: 100,
  patience: 5,
};

/** `KIND` or `KIND:WEIGHT`. Errors: an unknown kind, a weight that is not above 0. */
export function parseLoss(text: string): WeightedLossKind {
  const [kind = '', weight = '1', ...rest] = text.split(':');
  const known = TRAINED_LOSSES.find((each) => each === kind);
  if (known === undefined || rest.length > 0 || !(Number(weight) > 0) || Number(weight) === Infinity) {
    throw invalid('--loss', 'not a loss', {
      found: text,
      wanted: `KIND or KIND:WEIGHT, KIND one of ${TRAINED_LOSSES.join(', ')}, WEIGHT above 0`,
    });
  }
  return { kind: known, weight: Number(weight) };
}

/** `KIND,KIND`. Errors: an unknown kind. */
export function parseNegatives(text: string): NegativeFamily[] {
  return text.split(',').map((word) => {
    const known = NEGATIVE_FAMILIES.find((each) => each === word.trim());
    if (known !== undefined) return known;
    throw invalid('--negatives', 'not a kind of negatives', {
      found: word,
      wanted: `some of ${NEGATIVE_FAMILIES.join(', ')}, by comma`,
    });
  });
}

/** Errors: losses that make no model that may be served. `field` names them, `mend` ends what is said of outcome alone. */
export function checkLosses(
  losses: readonly WeightedLossKind[],
  force: boolean,
  { field, mend }: { readonly field: string; readonly mend: string },
): void {
  const kinds = losses.map(({ kind }) => kind);
  const twice = kinds.find((kind, i) => kinds.indexOf(kind) !== i);
  if (twice !== undefined) {
    throw invalid(field, 'named twice', { found: twice, wanted: 'each loss once, with its weight' });
  }
  const besides = kinds.some((kind) => kind === 'swap' || kind === 'explicit');
  if (kinds.includes('outcome') && !besides && !force) {
    throw invalid(field, 'outcome alone makes a model that is worse than no model', {
      found: kinds.join(', '),
      wanted: 'outcome beside swap or explicit',
      mend:
        'Whether an episode succeeded says little of one chunk: measured in a closed loop, such a model chose ' +
        `worse than the mean of the candidates (-0.064). ${mend}`,
    });
  }
}

type RateRecipe = Pick<Recipe, 'learningRate' | 'schedule' | 'rampUpdates'>;

/** Of update number `update`, counted from 0, of `updates` in all. */
export function learningRateAt(recipe: RateRecipe, update: number, updates: number): number {
  const { learningRate, schedule, rampUpdates } = recipe;
  if (update < rampUpdates) return (learningRate * (update + 1)) / rampUpdates;
  if (schedule === 'constant' || updates === Infinity) return learningRate;
  const share = (update - rampUpdates) / Math.max(1, updates - rampUpdates);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, share)));
}
