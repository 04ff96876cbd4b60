/** `calibration.json`: lives in the bundle, belongs to the weights whose digest it names. */
import { z } from 'zod';
import type { EngineInfo } from '../engine/engine.js';
import { onnxRuntimeVersion, programVersion } from '../versions.js';
import { choiceFitSchema, verdictSchema } from './choice/choice-schema.js';
import { inputsSchema } from './fit/input-statistics.js';
import { figureSchema } from './report/figure.js';
import { int8Schema, reportSchema } from './report/report-schema.js';

/** What a report was computed with: no part of what it says, and needed to compute it again. */
export const environmentSchema = z.strictObject({
  action_energy: z.string(),
  onnxruntime: z.string(),
  node: z.string(),
  /** Operating system and architecture. */
  platform: z.string(),
  provider: z.string(),
  /** Of the context encoder; everything else is float32, the statistics float64. */
  precision: z.string(),
  threads: z.int().min(0),
});
export type Environment = z.infer<typeof environmentSchema>;

export function environmentOf({ provider, precision, threads }: EngineInfo): Environment {
  return {
    action_energy: programVersion(),
    onnxruntime: onnxRuntimeVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    provider,
    precision,
    threads,
  };
}

export const CALIBRATION_FORMAT = 'action-energy/calibration/3';
export const CALIBRATION_FILE = 'calibration.json';

const finite = z.number();
const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const temperatureSchema = z.strictObject({
  tau: finite.positive(),
  /** Bootstrap interval of tau. */
  interval: figureSchema,
  status: z.enum(['fitted', 'separable', 'no_preference', 'constant']),
  bounds: z.tuple([finite, finite]),
});
export type Temperature = z.infer<typeof temperatureSchema>;

const expertSampleSchema = z
  .strictObject({ n: z.int().min(1), values: z.array(finite).min(1), at_least: z.array(count).min(1) })
  .refine(({ values, at_least }) => values.length === at_least.length, 'values and at_least differ in length')
  .refine(({ values }) => values.every((v, i) => i === 0 || v > values[i - 1]!), 'values do not ascend');

const expertsByStepSchema = z
  .strictObject({ edges: z.array(finite).min(1), buckets: z.array(expertSampleSchema) })
  .refine(({ edges, buckets }) => buckets.length === edges.length + 1, 'one bucket more than edges');

const scoreFitSchema = z.strictObject({
  temperature: temperatureSchema,
  /** Energies of the fitted part's experts. */
  experts: z.strictObject({ overall: expertSampleSchema, by_step: expertsByStepSchema.optional() }),
  margins: z.strictObject({
    levels: z.array(finite),
    chance: z.array(finite),
    expert: z.array(finite),
  }),
  drift: z.strictObject({ edges: z.array(finite), shares: z.array(finite) }),
});
export type ScoreFit = z.infer<typeof scoreFitSchema>;

const inputReferenceSchema = z.strictObject({
  mean: finite,
  edges: z.array(finite),
  shares: z.array(finite),
});

export const calibrationSchema = z.strictObject({
  format: z.literal(CALIBRATION_FORMAT),
  /** Hex; of all but `created` and `environment`, so equal calibrations have equal versions. */
  version: z.string().regex(/^[0-9a-f]{16}$/),
  created: z.iso.datetime(),
  environment: environmentSchema,
  model: z.strictObject({ name: z.string(), weights_digest: sha256 }),
  data: z.strictObject({
    /** `sha256`: of the file; absent for data that came over the wire. */
    sources: z.array(
      z.strictObject({ name: z.string(), bytes: count, rows: count, sha256: sha256.optional() }),
    ),
    rows: count,
    steps: count,
    split: z.strictObject({
      by: z.enum(['episode', 'task', 'block']),
      clusters: count,
      fit_rows: count,
      held_out_rows: count,
    }),
    /** 12 hex digits of the sha256 of each fitted row, ascending: an evaluation says whether it sees them again. */
    fitted_rows: z.array(z.string().regex(/^[0-9a-f]{12}$/)),
    seed: z.int(),
    /** Root mean square distance, in action units, below which a chunk of the same task is no negative. */
    near_duplicate: finite,
    /** Size of one action unit by dim. */
    action_units: z.array(finite),
  }),
  /** Absent where the fitted rows hold too few numbers, and in calibrations that were made before these were kept. */
  inputs: inputsSchema.optional(),
  /** How token norms, masked shares and action ranges of the fitted rows lay, for drift; absent in calibrations that were made before this was kept. */
  input_drift: z
    .strictObject({
      token_norm: inputReferenceSchema,
      masked_share: inputReferenceSchema,
      action_range: inputReferenceSchema,
    })
    .optional(),
  /** The line above all others; the report gives the reasons. */
  verdict: verdictSchema.shape.verdict,
  /** The score that tells experts' chunks apart better: use this one's probabilities. */
  better: z.enum(['readout', 'logit']),
  scores: z.strictObject({ readout: scoreFitSchema, logit: scoreFitSchema }),
  /** Gates, density and best rule of choosing among the policy's samples; null where the data hold none. */
  choice: choiceFitSchema.nullable(),
  report: reportSchema,
  /** What int8 costs on the report's rows, where it was measured. */
  int8: int8Schema.optional(),
});
export type Calibration = z.infer<typeof calibrationSchema>;
