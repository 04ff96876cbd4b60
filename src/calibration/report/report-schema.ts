/** The report part of `calibration.json`: every figure with its interval, and the numbers behind every plot. */
import { z } from 'zod';
import { choiceReportSchema, verdictSchema } from '../choice/choice-schema.js';
import { figureSchema } from './figure.js';

/** A number that is not defined for the data is null. */
const maybe = z.number().nullable();
const count = z.int().min(0);
const figures = z.array(figureSchema);

export const negativeReportSchema = z.strictObject({
  name: z.string(),
  meaning: z.string(),
  /** Mean energy. */
  energy: figureSchema,
  /** Chance that a negative lies above a positive, over all contexts pooled. */
  auroc: figureSchema,
  /** Share of negatives above the positive of their own context. */
  win_rate: figureSchema,
});
export type NegativeReport = z.infer<typeof negativeReportSchema>;

const binSchema = z.strictObject({
  /** Rows in the bin. */
  count,
  share: z.number(),
  confidence: maybe,
  accuracy: figureSchema,
});
export type ReportBin = z.infer<typeof binSchema>;

const comparisonSchema = z.strictObject({
  tau: z.number(),
  loss: figureSchema,
  top1: figureSchema,
  ece: figureSchema,
  swap_auroc: figureSchema,
});

/** How another context's chunk stands to the row's own; `other` where the data name no tasks. */
const relationSchema = z.enum(['near_duplicate', 'same_episode', 'same_task', 'other_task', 'other']);
export type Relation = z.infer<typeof relationSchema>;

/** The report on some of the rows. */
const sliceSchema = z.strictObject({
  /** The task's id, or the steps of the episode. */
  name: z.string(),
  rows: count,
  clusters: count,
  /** InfoNCE at the fitted tau. */
  loss: figureSchema,
  top1: figureSchema,
  /** Of experts against swaps within a context. */
  win_rate: figureSchema,
  /** Mean energy of experts. */
  energy: figureSchema,
  /** What the pick among all candidates saves; null where the data hold none. */
  over_random: figureSchema.nullable(),
  over_first: figureSchema.nullable(),
  /** Of the gate; null where there is none. */
  coverage: figureSchema.nullable(),
  harm: figureSchema.nullable(),
});
export type Slice = z.infer<typeof sliceSchema>;

const rowIds = { row: count, task: maybe, episode: maybe, step: maybe };

const hardestSchema = z.strictObject({
  /** Largest InfoNCE loss first, with the lowest chunk of another context. */
  experts: z.array(
    z.strictObject({
      ...rowIds,
      loss: z.number(),
      rank: z.number(),
      energy: z.number(),
      lowest_other: z.strictObject({ row: count, energy: z.number(), relation: relationSchema }),
    }),
  ),
  /** Picks that cost more than the policy's first, most first. */
  picks: z.array(
    z.strictObject({
      ...rowIds,
      candidate: count,
      energy: z.number(),
      energy_of_first: z.number(),
      cost: z.number(),
      cost_of_first: z.number(),
      least_cost: z.number(),
    }),
  ),
});

const lossSchema = z.strictObject({
  loss: z.enum(['swap_infonce', 'margin', 'explicit_infonce', 'hinge']),
  /** Kind of the negatives. */
  negatives: z.string(),
  /** At the tau of the card, where it has one. */
  value: figureSchema,
  /** At the fitted tau; null where the loss has none. */
  fitted: figureSchema.nullable(),
  /** Without preference, nats. */
  chance: maybe,
});

const structureSchema = z.strictObject({
  relations: z.array(
    z.strictObject({
      relation: relationSchema,
      pairs: count,
      energy: figureSchema,
      /** Share of the pairs in which the expert's chunk is lower. */
      win_rate: figureSchema,
      /** Mean absolute difference of the two chunks. */
      difference: figureSchema,
      /** Rows that were lost to a chunk that stands so: it is the lowest, and no higher than the expert's. */
      lost: count,
    }),
  ),
  /** Win rate against chunks from elsewhere less that against those of the same episode (or task, where none is). */
  win_rate_gap: figureSchema,
  /** Spearman's, of the energies off the diagonal and how far those chunks are from the row's own. */
  distance_correlation: figureSchema,
});

export const landscapeSchema = z.strictObject({
  row: count,
  dims: z.tuple([count, count]),
  dim_names: z.tuple([z.string(), z.string()]),
  pushes: z.array(z.number()),
  energies: z.array(z.number()),
});

/** What the order of chunks depends on, where the data name groups of tokens. */
export const tokenGroupsSchema = z.strictObject({
  rows: count,
  /** The chunks whose order it is about: the policy's samples, or without them other contexts' experts. */
  order_of: z.enum(['candidates', 'swaps']),
  groups: z.array(
    z.strictObject({
      group: count,
      /** Visible tokens of it in a context, mean. */
      tokens: z.number(),
      /** Share of the pairs of chunks whose order changes with another episode's tokens: 0 it is not looked at, 0.5 all hangs on it. */
      order_changed: figureSchema,
      /** InfoNCE loss with another episode's tokens less the loss with its own, nats. */
      loss_increase: figureSchema,
    }),
  ),
});
export type TokenGroupReport = z.infer<typeof tokenGroupsSchema>;

export const reportSchema = z.strictObject({
  /** May it choose among its policy's samples? */
  verdict: verdictSchema,
  /** Rows reported on; never one that was fitted on. */
  rows: count,
  clusters: count,
  /** Reported rows that the calibration was fitted on: figures flatter where it is above 0. */
  fitted_before: count,
  /** B, and the mean number of negatives that a row kept. */
  batch: count,
  effective_negatives: z.number(),
  left_out: count,
  /** Choosing among the policy's samples; null where the data hold none. */
  choice: choiceReportSchema.nullable(),
  /** Null where the data name no groups of tokens. */
  token_groups: tokenGroupsSchema.nullable().default(null),
  infonce: z.strictObject({
    /** Loss at the card's tau and at the fitted one, nats; chance is the mean log of the chunks that a row kept. */
    before: figureSchema,
    after: figureSchema,
    chance: z.number(),
    log_batch: z.number(),
    /** Chance less the loss after: what the context tells about the chunk. */
    preference: figureSchema,
  }),
  top1: figureSchema,
  top5: figureSchema,
  mrr: figureSchema,
  energy: z.strictObject({
    positive: figureSchema,
    negative: figureSchema,
    gap: figureSchema,
    positive_spread: figureSchema,
    negative_spread: figureSchema,
  }),
  negatives: z.array(negativeReportSchema),
  slices: z.strictObject({ by_task: z.array(sliceSchema), by_time: z.array(sliceSchema) }),
  hardest: hardestSchema,
  losses: z.array(lossSchema),
  structure: structureSchema,
  omitted: z.array(z.strictObject({ name: z.string(), reason: z.string() })),
  reliability: z.strictObject({
    ece_before: figureSchema,
    ece_after: figureSchema,
    before: z.array(binSchema),
    after: z.array(binSchema),
  }),
  noise: z.strictObject({
    sigmas: z.array(z.number()),
    energies: figures,
    spearman: figureSchema,
    violations: figureSchema,
  }),
  /** Mean per-step energies over the chunk. */
  steps: z.strictObject({ expert: figures, swap: figures }),
  /** Share of per-step values in the flat part of the readout. */
  saturation: figureSchema,
  /** Of the reported experts against the fitted ones. */
  psi: figureSchema,
  /** Share of reported experts with a p-value at or below each level: calibrated when equal to it. */
  p_values: z.strictObject({ levels: z.array(z.number()), shares: figures }),
  scores: z.strictObject({
    readout: comparisonSchema,
    logit: comparisonSchema,
    /** Loss of the readout score less that of the logit score: above 0 the logit is better. */
    difference: figureSchema,
  }),
  plots: z.strictObject({
    histogram: z.strictObject({
      edges: z.array(z.number()),
      /** Share of each series in each bin. */
      series: z.array(z.strictObject({ name: z.string(), count, shares: z.array(z.number()) })),
    }),
    /** One batch, by task, episode and step: energies [B, B], row = context, column = chunk. */
    matrix: z.strictObject({
      width: count,
      energies: z.array(z.number()),
      /** Row in the data and task of each context, [B]. */
      rows: z.array(count),
      tasks: z.array(z.number()).nullable(),
      /** Places in `energies` of near-duplicates. */
      near_duplicates: z.array(count),
    }),
    landscape: landscapeSchema.optional(),
  }),
});
export type Report = z.infer<typeof reportSchema>;

/** What 8-bit arithmetic of the context encoder costs on the report's rows. */
export const int8Schema = z.strictObject({
  rows: count,
  /** The chunks that are compared: the policy's samples, or without them the experts' of the batch. */
  chunks: z.enum(['candidates', 'swaps']).default('swaps'),
  /** Share of rows whose best chunk is the same. */
  same_best: figureSchema,
  /** 0.95 quantile of how far int8 moves a chunk's energy against the row's best one. */
  error: z.number(),
  /** Rows whose best chunk lies farther below the second than `error`, and the share of them with the same best. */
  decided_rows: count,
  same_decided: figureSchema,
  /** Rank correlation of the two energies within a row. */
  spearman: figureSchema,
  /** InfoNCE loss in int8 at the fitted temperature, and how much it exceeds that of float32. */
  loss: figureSchema,
  loss_increase: figureSchema,
  /** Of the int8 energies on the same rows. */
  verdict: verdictSchema.shape.verdict.optional(),
});
export type Int8Report = z.infer<typeof int8Schema>;
