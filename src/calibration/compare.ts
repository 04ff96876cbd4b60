/**
 * Two checkpoints on the same data: the same rows in the same batches with the same chunks are scored by both, so that every
 * difference is the models'. With a calibration each is judged under its own; one without is fitted on half of the episodes, and
 * both are then compared on the other half.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Engine } from '../engine/engine.js';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import {
  CALIBRATE_DEFAULTS,
  fittingBatch,
  preparePass,
  reportOn,
  sourcesWithDigests,
  splitFacts,
} from './calibrate.js';
import { type Calibration, environmentOf } from './calibration-schema.js';
import { fitPrior } from './choice/fit-choice.js';
import { collect, type CollectOptions } from './collect.js';
import type { CalibrationData } from './data/calibration-data.js';
import { splitRows } from './data/split.js';
import { fitCalibration } from './fit/fit-calibration.js';
import {
  comparedFigures,
  verdictOn,
  type ComparedModel,
  type Comparison,
  type Seen,
} from './report/comparison.js';
import type { NamedReport } from './report/reported.js';

export interface CompareSide {
  readonly engine: Engine;
  readonly card: ModelCard;
  readonly weightsDigest: string;
  /** The data as this card reads them: the same files for both. */
  readonly data: CalibrationData;
  readonly calibration: Calibration | undefined;
}

export interface CompareOptions {
  readonly batch?: number;
  readonly seed?: number;
  readonly nearDuplicate?: number;
  readonly onRows?: (count: number) => void;
}

export interface Compared {
  readonly comparison: Comparison;
  /** A alone on the same rows: what `evaluate` makes of it. */
  readonly named: NamedReport;
}

/** Errors: cards that mean different actions by the same numbers; those of `calibrate`. */
export async function compareModels(
  a: CompareSide,
  b: CompareSide,
  options: CompareOptions = {},
): Promise<Compared> {
  checkAlike(a.card, b.card);
  const seenA = await see(a, b, options);
  const seenB = await see(b, a, options);
  const { clusters } = seenA.observations;
  const comparison = {
    rows: clusters.length,
    clusters: new Set(clusters).size,
    a: described(a, seenA),
    b: described(b, seenB),
    figures: comparedFigures(seenA, seenB),
  };
  return { comparison, named: { ...(await alone(a, seenA)), comparison } };
}

/** What both score alike: the made negatives, the distances and the costs must mean the same. */
function checkAlike(a: ModelCard, b: ModelCard): void {
  const meant = ({ actions, chunk, action_dim }: ModelCard): object => ({
    action_dim,
    chunk,
    units: actions.units,
    gripper: actions.gripper,
  });
  if (isDeepStrictEqual(meant(a), meant(b))) return;
  throw invalid('--against', 'the two cards mean different actions by the same numbers', {
    found: `${b.name}: ${JSON.stringify(meant(b))}`,
    wanted: `${a.name}: ${JSON.stringify(meant(a))}`,
  });
}

/** With what the pass was told, and how the data were parted where they were. */
interface SeenBy extends Seen {
  readonly collecting: CollectOptions;
  readonly split: Calibration['data']['split'] | null;
}

/** The rows that both are compared on, seen by one. */
async function see(side: CompareSide, other: CompareSide, options: CompareOptions): Promise<SeenBy> {
  const { data, card, calibration } = side;
  const { seed, nearDuplicate, ...pass } = await preparePass({ ...side, ...options });
  const split = splitRows({ rows: data.rows, episode: data.episode, task: data.task }, seed);
  const batch = fittingBatch(options.batch ?? CALIBRATE_DEFAULTS.batch, split);
  const { clusters } = split;
  const density = calibration
    ? (calibration.choice?.density ?? null)
    : await fitPrior(data, split.fit, clusters);
  const collecting: CollectOptions = { ...pass, seed, nearDuplicate, batch, clusters, density };
  const fit =
    calibration ??
    fitCalibration(await collect(data, split.fit, collecting), {
      cardTau: card.tau,
      episodeSteps: data.step,
      density,
    });
  const isFitted = calibration !== undefined && other.calibration !== undefined;
  const rows = isFitted ? Int32Array.from({ length: data.rows }, (_, row) => row) : split.heldOut;
  return {
    observations: await collect(data, rows, collecting),
    fit,
    collecting,
    split: isFitted ? null : splitFacts(split),
  };
}

/** The report on one model, of the rows as it saw them. */
async function alone(
  side: CompareSide,
  { observations, fit, collecting, split }: SeenBy,
): Promise<NamedReport> {
  const { engine, card, data, weightsDigest, calibration } = side;
  const fittedRows = calibration?.data.fitted_rows ?? [];
  const report = await reportOn(observations, fit, fittedRows, collecting, side);
  const { seed, nearDuplicate } = collecting;
  const { rows, steps } = data;
  const sources = await sourcesWithDigests(data);
  return {
    ...{ better: fit.better, scores: fit.scores, choice: fit.choice, report },
    model: card.name,
    weightsDigest,
    data: { sources, rows, steps, seed, near_duplicate: nearDuplicate, split },
    environment: environmentOf(engine.info),
    created: calibration?.created ?? null,
    version: calibration?.version ?? null,
  };
}

function described({ card, weightsDigest, calibration }: CompareSide, seen: Seen): ComparedModel {
  const { better, scores } = seen.fit;
  const fitted = new Set(calibration?.data.fitted_rows ?? []);
  return {
    model: card.name,
    weights_digest: weightsDigest,
    calibration: calibration?.version ?? null,
    score: better,
    tau: scores[better].temperature.tau,
    verdict: verdictOn(seen),
    fitted_before: seen.observations.hashes.filter((hash) => fitted.has(hash)).length,
  };
}
