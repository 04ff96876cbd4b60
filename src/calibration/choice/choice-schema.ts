/** What is kept of choosing: gates and density among the fitted things, control and verdict in the report. */
import { z } from 'zod';
import { CONSENSUS_RULES, ENERGY_RULES } from '../../selection/rules.js';
import { figureSchema } from '../report/figure.js';

const count = z.int().min(0);
const positive = z.number().positive();
const share = z.number().min(0).max(1);

export const gateSchema = z.strictObject({
  /** The pick may be executed when score[0] - min(score) is at least this. */
  margin: z.number().min(0),
  /** Of more candidates only the policy's own and the first others up to this many may be looked at. */
  candidates: count,
  /** Whether the bound holds without any margin. */
  open: z.boolean(),
  /** Most harm, and the chance that the bound does not hold after all. */
  alpha: share,
  delta: share,
  /** Tasks with too few rows for a bound of their own. */
  uncertifiedTasks: z.array(z.number()),
});

/** A density of experts' chunks, [d] values of a chunk that move at all; see density.ts. */
export const densitySchema = z.strictObject({
  kind: z.enum(['gaussian', 'kde']),
  /** H * A. */
  size: count,
  /** Places in the flattened chunk [H * A]. */
  places: z.array(count),
  mean: z.array(z.number()),
  /** Lower Cholesky factor of the covariance, row by row, [d (d + 1) / 2]; or the standard deviations, [d]. */
  factor: z.array(z.number()),
  diagonal: z.boolean(),
  /** Of a kde: kernels in units of the factor, [k, d], their width, and the cluster that each is of. */
  width: positive.optional(),
  kernels: z.array(z.number()).optional(),
  clusters: z.array(z.int()).optional(),
});
export type ChunkDensity = z.infer<typeof densitySchema>;

export const CHOICE_SCORES = ['readout', 'logit', 'corrected'] as const;

export const choiceFitSchema = z.strictObject({
  /** By score; null: no margin bounds the harm and gains. */
  gates: z.strictObject({
    readout: gateSchema.nullable(),
    logit: gateSchema.nullable(),
    corrected: gateSchema.nullable(),
  }),
  density: densitySchema.nullable(),
  /** The best rule on held-out rows, where one is better than the policy's own chunk beyond its interval. */
  best: z
    .strictObject({
      rule: z.enum([...ENERGY_RULES, ...CONSENSUS_RULES]),
      score: z.enum(CHOICE_SCORES),
      /** One sentence. */
      finding: z.string(),
    })
    .nullable(),
});
export type ChoiceFit = z.infer<typeof choiceFitSchema>;

export const verdictSchema = z.strictObject({
  verdict: z.enum(['may_choose', 'may_choose_behind_gate', 'must_not_choose']),
  reasons: z.array(z.string()),
});
export type Verdict = z.infer<typeof verdictSchema>;

const gateReportSchema = z.strictObject({
  score: z.enum(CHOICE_SCORES),
  margin: z.number(),
  candidates: count,
  /** Share of rows whose pick is executed. */
  coverage: figureSchema,
  /** Share of rows whose executed pick is worse than the policy's own. */
  harm: figureSchema,
  /** The task with the most harm. */
  worst_task: z.strictObject({ task: z.number(), rows: count, harm: figureSchema }).nullable(),
  /** Cost of the policy's own less that of what is executed. */
  gain: figureSchema,
});

export const choiceReportSchema = z.strictObject({
  cost: z.enum(['given', 'distance_to_expert']),
  rows: count,
  /** N, and the numbers of candidates that the curves are over. */
  candidates: count,
  levels: z.array(count),
  /** Share of rows whose candidates differ in cost. */
  decisive: figureSchema,
  /** Expected cost by rule at each level. */
  curves: z.array(z.strictObject({ rule: z.string(), costs: z.array(figureSchema) })),
  /** With all N: paired differences, positive is better than what it is compared with. */
  gains: z.array(
    z.strictObject({
      rule: z.string(),
      over_random: figureSchema,
      over_first: figureSchema,
      over_consensus: figureSchema,
      /** 0 a random pick, 1 the oracle. */
      regret_recovered: figureSchema,
    }),
  ),
  /** Spearman's, of score and cost, inside a context. */
  rank_correlation: z.array(z.strictObject({ score: z.enum(CHOICE_SCORES), value: figureSchema })),
  /** The number of candidates at which the energy's pick costs least, and what all N cost more. */
  peak: z.strictObject({ candidates: count, loss_at_most: figureSchema }),
  /** Cost of the better score's pick less that of the corrected one's: above 0 the corrected is better. */
  corrected_gain: figureSchema.nullable(),
  /** Cost of the readout's pick less that of the logit's: what the readout loses of the order. */
  readout_loss: figureSchema,
  gates: z.array(gateReportSchema),
});
export type ChoiceReport = z.infer<typeof choiceReportSchema>;
