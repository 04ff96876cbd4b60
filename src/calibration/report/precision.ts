/**
 * What 8-bit arithmetic of the context encoder costs, measured on the report's rows: the same rows, batches and chunks are
 * scored by both engines, so every difference is the arithmetic's.
 */
import type { Score } from '../../model/energy.js';
import type { Calibration } from '../calibration-schema.js';
import { VERDICT_TEXT } from '../choice/verdict.js';
import type { Fit } from '../fit/fit-calibration.js';
import { infonceRows } from '../metrics/infonce.js';
import { correlation, intervals, real, share } from '../metrics/intervals.js';
import { quantile, meanRanks } from '../metrics/order.js';
import { meanOf } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { verdictOn } from './comparison.js';
import { reportFigure } from './figure.js';
import type { Int8Report } from './report-schema.js';

const ERROR_LEVEL = 0.95;

/**
 * `int8` is `exact` seen by the int8 engine: the same rows in the same order. Energies are those of the better score; the chunks
 * that are compared are the policy's samples, or without them the experts' of the batch.
 */
export function compareInt8(exact: Observations, int8: Observations, fit: Fit): Int8Report {
  const { better, scores } = fit;
  const { width, mine, theirs, usable } = comparedChunks(exact, int8, better);
  const rows = exact.rows.length;
  const same = new Float64Array(rows);
  const margin = new Float64Array(rows);
  const spearman = new Float64Array(rows);
  const moved: number[] = [];
  for (let row = 0; row < rows; row++) {
    const columns = Array.from({ length: width }, (_, j) => row * width + j).filter(
      (at) => usable?.[at] !== 0,
    );
    const own = Float64Array.from(columns, (at) => mine[at]!);
    const other = Float64Array.from(columns, (at) => theirs[at]!);
    const best = lowest(own);
    const gaps = own.map((energy) => energy - own[best]!);
    other.forEach((energy, j) => {
      if (j !== best) moved.push(Math.abs(energy - other[best]! - gaps[j]!));
    });
    margin[row] = gaps.reduce((least, gap, j) => (j === best ? least : Math.min(least, gap)), Infinity);
    const alone = columns.length < 2;
    same[row] = alone ? NaN : Number(lowest(other) === best);
    spearman[row] = alone ? NaN : pearson(meanRanks(own), meanRanks(other));
  }
  const error = moved.length === 0 ? 0 : quantile(Float64Array.from(moved).sort(), ERROR_LEVEL);
  const decided = same.map((value, row) => (margin[row]! > error ? value : NaN));
  const { tau } = scores[better].temperature;
  const loss = infonceRows(int8[better].groups, tau).loss;
  const exactLoss = infonceRows(exact[better].groups, tau).loss;
  const figures = intervals(exact.clusters, {
    same: share(meanOf(same)),
    decided: share(meanOf(decided)),
    spearman: correlation(meanOf(spearman)),
    loss: real(meanOf(loss)),
    increase: real(meanOf(loss.map((value, row) => value - exactLoss[row]!))),
  });
  return {
    rows,
    chunks: exact.candidates ? 'candidates' : 'swaps',
    same_best: reportFigure(figures.same[0]!),
    error,
    decided_rows: decided.filter((value) => !Number.isNaN(value)).length,
    same_decided: reportFigure(figures.decided[0]!),
    spearman: reportFigure(figures.spearman[0]!),
    loss: reportFigure(figures.loss[0]!),
    loss_increase: reportFigure(figures.increase[0]!),
    verdict: verdictOn({ observations: int8, fit }).verdict,
  };
}

function comparedChunks(
  exact: Observations,
  int8: Observations,
  better: Score,
): { width: number; mine: Float64Array; theirs: Float64Array; usable?: Uint8Array } {
  if (exact.candidates && int8.candidates) {
    const { width, scores } = exact.candidates;
    return { width, mine: scores[better], theirs: int8.candidates.scores[better] };
  }
  const { width, scores, usable } = exact[better].groups;
  return { width, mine: scores, theirs: int8[better].groups.scores, usable };
}

/**
 * Whether the data show that int8 chooses the same: `undefined` when they do, else why not, in words. Shown is what the lower end
 * of the interval reaches, so few episodes show nothing: with not one row different, 99 percent take 368 of them, 90 percent 36.
 *
 * @param bound from 0 to 1, the card's `int8_agreement`
 */
export function int8Objection(
  calibration: Pick<Calibration, 'int8' | 'verdict'> | undefined,
  bound: number,
): string | undefined {
  if (calibration === undefined) return 'there is no calibration';
  const { int8, verdict } = calibration;
  if (int8 === undefined) return 'the calibration has not measured int8';
  if (int8.verdict !== undefined && int8.verdict !== verdict) {
    return `the verdict is another in int8: ${VERDICT_TEXT[int8.verdict]}, not ${VERDICT_TEXT[verdict]}`;
  }
  const { decided_rows: rows, same_decided: same } = int8;
  if (same.low !== null && same.low >= bound) return undefined;
  const percent = (share: number | null): string => (100 * (share ?? 0)).toFixed(1);
  return `int8 chooses the same in ${percent(same.value)} percent of the ${rows} rows that decide beyond its error, which shows at least ${percent(same.low)}; ${percent(bound)} are wanted`;
}

function lowest(values: Float64Array): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[at]!) at = i;
  return at;
}

/** Pearson's correlation; 1 where neither varies, 0 where one does not. */
function pearson(a: Float64Array, b: Float64Array): number {
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
