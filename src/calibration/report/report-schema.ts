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

const binSchema = z.strictObject({ share: z.number(), confidence: maybe, accuracy: figureSchema });
export type ReportBin = z.infer<typeof binSchema>;

const comparisonSchema = z.strictObject({
  tau: z.number(),
  loss: figureSchema,
  top1: figureSchema,
  ece: figureSchema,
  swap_auroc: figureSchema,
});

export const landscapeSchema = z.strictObject({
  row: count,
  dims: z.tuple([count, count]),
  dim_names: z.tuple([z.string(), z.string()]),
  pushes: z.array(z.number()),
  energies: z.array(z.number()),
});

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
      series: z.array(z.strictObject({ name: z.string(), shares: z.array(z.number()) })),
    }),
    /** One batch: energies [B, B], row = context, column = chunk. */
    matrix: z.strictObject({ width: count, energies: z.array(z.number()) }),
    landscape: landscapeSchema.optional(),
  }),
});
export type Report = z.infer<typeof reportSchema>;

/** What 8-bit arithmetic of the context encoder costs on the report's rows. */
export const int8Schema = z.strictObject({
  rows: count,
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
});
export type Int8Report = z.infer<typeof int8Schema>;
