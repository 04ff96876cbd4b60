/**
 * Two checkpoints on the same data: the same rows in the same batches with the same chunks are scored by both, so that every
 * difference is the models'. With a calibration each is judged under its own; one without is fitted on half of the episodes, and
 * both are then compared on the other half.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Engine } from '../engine/engine.js';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { CALIBRATE_DEFAULTS, fittingBatch, preparePass } from './calibrate.js';
import type { Calibration } from './calibration-schema.js';
import { fitPrior } from './choice/fit-choice.js';
import type { Verdict } from './choice/choice-schema.js';
import { collect, type CollectOptions } from './collect.js';
import type { CalibrationData } from './data/calibration-data.js';
import { splitRows } from './data/split.js';
import { fitCalibration } from './fit/fit-calibration.js';
import type { Score } from '../model/energy.js';
import { comparedFigures, verdictOn, type ComparedFigure, type Seen } from './report/comparison.js';

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

export interface ComparedModel {
  readonly model: string;
  readonly weights_digest: string;
  /** Version; null: fitted for this comparison. */
  readonly calibration: string | null;
  readonly score: Score;
  readonly tau: number;
  readonly verdict: Verdict;
  /** Compared rows that its calibration was fitted on: they flatter it. */
  readonly fitted_before: number;
}

export interface Comparison {
  readonly rows: number;
  readonly clusters: number;
  readonly a: ComparedModel;
  readonly b: ComparedModel;
  /** The first decides. */
  readonly figures: readonly ComparedFigure[];
}

/** Errors: cards that mean different actions by the same numbers; those of `calibrate`. */
export async function compareModels(
  a: CompareSide,
  b: CompareSide,
  options: CompareOptions = {},
): Promise<Comparison> {
  checkAlike(a.card, b.card);
  const seenA = await see(a, b, options);
  const seenB = await see(b, a, options);
  const { clusters } = seenA.observations;
  return {
    rows: clusters.length,
    clusters: new Set(clusters).size,
    a: described(a, seenA),
    b: described(b, seenB),
    figures: comparedFigures(seenA, seenB),
  };
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

/** The rows that both are compared on, seen by one. */
async function see(side: CompareSide, other: CompareSide, options: CompareOptions): Promise<Seen> {
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
  return { observations: await collect(data, rows, collecting), fit };
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
