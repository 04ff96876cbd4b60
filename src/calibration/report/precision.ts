/**
 * What 8-bit arithmetic of the context encoder costs, measured on the report's rows: the same rows, batches and chunks are
 * scored by both engines, so every difference is the arithmetic's.
 */
import type { Score } from '../../model/energy.js';
import { infonceRows } from '../metrics/infonce.js';
import { intervals, real, share } from '../metrics/intervals.js';
import { quantile } from '../metrics/quantile.js';
import { meanRanks } from '../metrics/ranks.js';
import { weightedMean } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { reportFigure } from './figure.js';
import type { Int8Report } from './report-schema.js';

const ERROR_LEVEL = 0.95;
/** With fewer decided rows the share says little, and int8 is not chosen by it. */
const FEWEST_DECIDED = 50;

/** What of a fit the comparison needs. */
interface FittedTau {
  readonly better: Score;
  readonly scores: Readonly<Record<Score, { readonly temperature: { readonly tau: number } }>>;
}

/** `int8` is `exact` seen by the int8 engine: the same rows in the same order. Energies are those of the better score. */
export function compareInt8(
  exact: Observations,
  int8: Observations,
  { better, scores }: FittedTau,
): Int8Report {
  const { groups } = exact[better];
  const other = int8[better].groups;
  const { rows, width, usable } = groups;
  const same = new Float64Array(rows);
  const margin = new Float64Array(rows);
  const spearman = new Float64Array(rows);
  const moved: number[] = [];
  for (let row = 0; row < rows; row++) {
    const columns = Array.from({ length: width }, (_, j) => row * width + j).filter((at) => usable[at] === 1);
    const mine = Float64Array.from(columns, (at) => groups.scores[at]!);
    const theirs = Float64Array.from(columns, (at) => other.scores[at]!);
    const best = lowest(mine);
    const gaps = mine.map((energy) => energy - mine[best]!);
    theirs.forEach((energy, j) => {
      if (j !== best) moved.push(Math.abs(energy - theirs[best]! - gaps[j]!));
    });
    margin[row] = gaps.reduce((least, gap, j) => (j === best ? least : Math.min(least, gap)), Infinity);
    const alone = columns.length < 2;
    same[row] = alone ? NaN : Number(lowest(theirs) === best);
    spearman[row] = alone ? NaN : correlation(meanRanks(mine), meanRanks(theirs));
  }
  const error = moved.length === 0 ? 0 : quantile(Float64Array.from(moved).sort(), ERROR_LEVEL);
  const decided = same.map((value, row) => (margin[row]! > error ? value : NaN));
  const { tau } = scores[better].temperature;
  const loss = infonceRows(other, tau).loss;
  const exactLoss = infonceRows(groups, tau).loss;
  const increase = loss.map((value, row) => value - exactLoss[row]!);
  const mean = (values: Float64Array) => (weights: Float64Array) => [weightedMean(values, weights)];
  const figures = intervals(exact.clusters, {
    same: share(mean(same)),
    decided: share(mean(decided)),
    spearman: real(mean(spearman)),
    loss: real(mean(loss)),
    increase: real(mean(increase)),
  });
  return {
    rows,
    same_best: reportFigure(figures.same[0]!),
    error,
    decided_rows: decided.filter((value) => !Number.isNaN(value)).length,
    same_decided: reportFigure(figures.decided[0]!),
    spearman: reportFigure(figures.spearman[0]!),
    loss: reportFigure(figures.loss[0]!),
    loss_increase: reportFigure(figures.increase[0]!),
  };
}

/** Whether the data say that int8 chooses the same: `undefined` when it does, else why not, in words. */
export function int8Objection(int8: Int8Report | undefined, bound: number): string | undefined {
  if (int8 === undefined) return 'the calibration has not measured int8';
  const { decided_rows: rows, same_decided: same } = int8;
  if (rows < FEWEST_DECIDED)
    return `${rows} rows decide beyond the error of int8, ${FEWEST_DECIDED} are needed`;
  if (same.value !== null && same.value >= bound) return undefined;
  return `int8 chooses the same in ${((same.value ?? 0) * 100).toFixed(1)} percent of ${rows} rows, ${(bound * 100).toFixed(1)} are wanted`;
}

function lowest(values: Float64Array): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[at]!) at = i;
  return at;
}

/** Pearson's correlation; 1 where neither varies, 0 where one does not. */
function correlation(a: Float64Array, b: Float64Array): number {
  const middle = (a.length + 1) / 2; // of ranks
  let product = 0;
  let [squaresA, squaresB] = [0, 0];
  a.forEach((value, i) => {
    product += (value - middle) * (b[i]! - middle);
    squaresA += (value - middle) ** 2;
    squaresB += (b[i]! - middle) ** 2;
  });
  if (squaresA === 0 && squaresB === 0) return 1;
  return squaresA === 0 || squaresB === 0 ? 0 : product / Math.sqrt(squaresA * squaresB);
}
