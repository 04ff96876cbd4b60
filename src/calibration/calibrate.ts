/** Calibration from end to end: split, collect, fit, report. Pure but for the engine and the data that are passed in. */
import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { collect, type CollectOptions } from './collect.js';
import type { CalibrationData } from './data/calibration-data.js';
import { inputReference, inputStatistics } from './fit/input-statistics.js';
import { environmentOf, CALIBRATION_FORMAT, type Calibration } from './calibration-schema.js';
import { bestRule, fitPrior } from './choice/fit-choice.js';
import { evaluate } from './report/report.js';
import { fitCalibration, type Fit } from './fit/fit-calibration.js';
import { energyLandscape } from './report/plots.js';
import { actionSpread, actionUnits, freeDims } from './data/action-scale.js';
import { planNegatives } from './data/negatives.js';
import type { Observations } from './observations.js';
import { compareInt8 } from './report/precision.js';
import type { Report } from './report/report-schema.js';
import { splitRows, type Split } from './data/split.js';
import { tokenGroups } from './token-groups.js';

export const CALIBRATE_DEFAULTS = { batch: 16, seed: 0, nearDuplicate: 0.1 } as const;

export interface CalibrateOptions {
  readonly engine: Engine;
  /** The same model in 8 bits: what that costs is then measured on the report's rows. */
  readonly int8?: Engine;
  readonly card: ModelCard;
  /** Hex sha256 of the weights that the engine runs. */
  readonly weightsDigest: string;
  readonly data: CalibrationData;
  /** B; made smaller when a part of the split has fewer rows. */
  readonly batch?: number;
  readonly seed?: number;
  /** See `CollectOptions`. */
  readonly nearDuplicate?: number;
  readonly now?: () => Date;
  readonly onRows?: (count: number) => void;
}

/** Errors: data that do not fit the model or are too few; a failing engine. */
export async function calibrate(options: CalibrateOptions): Promise<Calibration> {
  const { card, data, weightsDigest, now = () => new Date() } = options;
  const digests = sourcesWithDigests(data); // beside the pass, which waits for the engine most of its time
  digests.catch(() => undefined); // reported where it is awaited; the pass may fail before
  const { seed, nearDuplicate, ...pass } = await preparePass(options);
  const split = splitRows({ rows: data.rows, episode: data.episode, task: data.task }, seed);
  const batch = fittingBatch(options.batch ?? CALIBRATE_DEFAULTS.batch, split);
  const { clusters } = split;
  const density = await fitPrior(data, split.fit, clusters);
  const collecting: CollectOptions = { ...pass, seed, nearDuplicate, batch, clusters, density };
  const fitted = await collect(data, split.fit, collecting);
  const fit = fitCalibration(fitted, { cardTau: card.tau, episodeSteps: data.step, density });
  const inputs = await inputStatistics(data, split.fit, card);
  const fittedRows = [...new Set(fitted.hashes)].sort();
  const heldOut = await collect(data, split.heldOut, collecting);
  const report = await reportOn(heldOut, fit, fittedRows, collecting, options);
  const { verdict } = report.verdict;
  const best = report.choice && bestRule(report.choice, fit.better, verdict);
  const { int8 } = options;
  const compared =
    int8 &&
    compareInt8(
      heldOut,
      await collect(data, split.heldOut, { ...collecting, engine: int8, onRows: () => undefined }),
      fit,
    );
  const content = {
    format: CALIBRATION_FORMAT,
    created: now().toISOString(),
    environment: environmentOf(options.engine.info),
    model: { name: card.name, weights_digest: weightsDigest },
    data: {
      sources: await digests,
      rows: data.rows,
      steps: data.steps,
      split: splitFacts(split),
      seed,
      near_duplicate: nearDuplicate,
      action_units: Array.from(pass.units),
      fitted_rows: fittedRows,
    },
    ...(inputs && { inputs }),
    input_drift: {
      token_norm: copyReference(fitted.inputs.token_norm),
      masked_share: copyReference(fitted.inputs.masked_share),
      action_range: copyReference(fitted.inputs.action_range),
    },
    verdict,
    better: fit.better,
    scores: fit.scores,
    choice: fit.choice && { ...fit.choice, best },
    report,
    ...(compared && { int8: compared }),
  } as const;
  return { ...content, version: contentVersion(content) };
}

/**
 * A report on all rows under an existing calibration: has the model, or what it sees, changed since? Errors: as
 * `calibrate`.
 */
export async function evaluateCalibration(
  calibration: Pick<Calibration, 'scores' | 'better' | 'choice' | 'data'>,
  options: CalibrateOptions,
): Promise<Report> {
  const { data } = options;
  const { seed, nearDuplicate, ...pass } = await preparePass(options);
  const split = splitRows({ rows: data.rows, episode: data.episode, task: data.task }, seed);
  const rows = Int32Array.from({ length: data.rows }, (_, row) => row);
  const batch = Math.min(options.batch ?? CALIBRATE_DEFAULTS.batch, data.rows);
  const { clusters } = split;
  const density = calibration.choice?.density ?? null;
  const collecting: CollectOptions = { ...pass, seed, nearDuplicate, batch, clusters, density };
  const observations = await collect(data, rows, collecting);
  return reportOn(observations, calibration, calibration.data.fitted_rows, collecting, options);
}

function copyReference(values: Float64Array): NonNullable<Calibration['input_drift']>['token_norm'] {
  const { mean, edges, shares } = inputReference(values);
  return { mean, edges: [...edges], shares: [...shares] };
}

/** Where the data come from, as a calibration keeps it. */
export async function sourcesWithDigests(data: CalibrationData): Promise<Calibration['data']['sources']> {
  const digests = await data.digests();
  return data.sources.map(({ name, bytes, rows }, i) => ({
    name,
    bytes,
    rows,
    ...(digests[i] !== undefined && { sha256: digests[i] }),
  }));
}

/** What a pass is told, but for the batch, the clusters and the prior. */
export async function preparePass(
  options: Pick<CalibrateOptions, 'engine' | 'card' | 'data' | 'onRows' | 'seed' | 'nearDuplicate'>,
): Promise<Omit<CollectOptions, 'batch' | 'clusters' | 'density'>> {
  const { engine, card, data, onRows } = options;
  const { seed = CALIBRATE_DEFAULTS.seed, nearDuplicate = CALIBRATE_DEFAULTS.nearDuplicate } = options;
  const spread = await actionSpread(data);
  const units = actionUnits(spread, card);
  return {
    engine,
    card,
    plan: planNegatives(data, card, units, seed, freeDims(card, spread)),
    units,
    seed,
    nearDuplicate,
    ...(onRows === undefined ? {} : { onRows }),
  };
}

/** What the rows say of a fit. `fittedRows`: hashes of those that it was fitted on. */
export async function reportOn(
  observations: Observations,
  fit: Fit,
  fittedRows: readonly string[],
  collecting: CollectOptions,
  { engine, card, data }: Pick<CalibrateOptions, 'engine' | 'card' | 'data'>,
): Promise<Report> {
  const { units, plan } = collecting;
  const example = observations.rows[0]!;
  const landscape = await energyLandscape(engine, card, data, example, units, fit.better);
  const { tau } = fit.scores[fit.better].temperature;
  const rows = observations.rows.slice().sort();
  const groups = await tokenGroups(data, rows, { score: fit.better, tau }, collecting);
  return evaluate(observations, fit, {
    ...{ card, plan, landscape, fittedRows },
    ids: data,
    tokenGroups: groups,
  });
}

/** A split as a calibration keeps it. */
export function splitFacts({ by, clusterCount, fit, heldOut }: Split): Calibration['data']['split'] {
  return { by, clusters: clusterCount, fit_rows: fit.length, held_out_rows: heldOut.length };
}

/** Errors: a part of the split with fewer than 2 rows. */
export function fittingBatch(wanted: number, split: Split): number {
  const batch = Math.min(wanted, split.fit.length, split.heldOut.length);
  if (batch >= 2) return batch;
  throw invalid('data', 'too few rows to compare chunks', {
    found: `${split.fit.length} rows to fit on and ${split.heldOut.length} to report on`,
    wanted: 'at least 2 of each',
  });
}

/** 16 hex digits over everything but when and with what it was made. */
function contentVersion(content: Omit<Calibration, 'version'>): string {
  const text = JSON.stringify({ ...content, created: undefined, environment: undefined });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
