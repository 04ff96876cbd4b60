/**
 * Losses of the energy model as plain functions over energies, in float64: what training minimises and what quality
 * reports show. Energies come from the engine; nothing here knows how. Symbols: B pairs, M negatives a pair, E energy
 * (lower fits better), tau temperature. Every input is checked: wrong lengths, B < 2, tau <= 0 and values that are not
 * finite are `invalid` faults that name the argument and the index.
 */
import { invalid } from '../errors.js';
import { infonceRow } from './infonce-row.js';

/** Energies, row-major. */
export type Values = ArrayLike<number>;

export interface InfoNce {
  /** Mean cross-entropy in nats; `log(number of candidates)` is what blind guessing gets. */
  readonly loss: number;
  /** Share of rows whose positive is strictly lower than every negative: a tie counts as a miss. */
  readonly accuracy: number;
  /** Mean energy of the positives. */
  readonly positiveEnergy: number;
  /** Mean energy of the negatives. */
  readonly negativeEnergy: number;
}

/**
 * Swap InfoNCE: every other action of the batch is a negative. On a global_context model this is the 2D InfoNCE.
 *
 * `loss = mean_i( E_ii / tau + log sum_j exp(-E_ij / tau) )`
 *
 * @param matrix [B, B], E[i, j] = E(context i, action j)
 */
export function swapInfoNce(matrix: Values, size: number, tau: number): InfoNce {
  checkPairs(size);
  checkValues('matrix', matrix, size * size);
  checkTau(tau);
  return meanOverRows(size, tau, (row) => {
    const energies = new Float64Array(size);
    energies[0] = matrix[row * size + row]!;
    for (let column = 0, next = 1; column < size; column++) {
      if (column !== row) energies[next++] = matrix[row * size + column]!;
    }
    return energies;
  });
}

/**
 * Explicit InfoNCE: every context has its own M negatives.
 *
 * `loss = mean_i( E+_i / tau + log( exp(-E+_i / tau) + sum_m exp(-E-_im / tau) ) )`
 *
 * @param positive [B]
 * @param negatives [B, M], M at least 1
 */
export function explicitInfoNce(positive: Values, negatives: Values, tau: number): InfoNce {
  const size = positive.length;
  if (size < 1) throw invalid('positive', 'no pairs', { found: 'length 0', wanted: 'at least 1' });
  checkValues('positive', positive, size);
  const count = negatives.length / size; // M
  if (!Number.isInteger(count) || count < 1) {
    throw invalid('negatives', 'length is not a multiple of the number of pairs', {
      found: String(negatives.length),
      wanted: `a positive multiple of ${size}`,
    });
  }
  checkValues('negatives', negatives, size * count);
  checkTau(tau);
  return meanOverRows(size, tau, (row) => {
    const energies = new Float64Array(count + 1);
    energies[0] = positive[row]!;
    for (let m = 0; m < count; m++) energies[m + 1] = negatives[row * count + m]!;
    return energies;
  });
}

/** InfoNCE of rows whose positive stands at index 0. */
function meanOverRows(rows: number, tau: number, energiesOf: (row: number) => Float64Array): InfoNce {
  let loss = 0;
  let hits = 0;
  let positives = 0;
  let negatives = 0;
  let negativeCount = 0;
  for (let row = 0; row < rows; row++) {
    const energies = energiesOf(row);
    const positive = energies[0]!;
    const others = energies.subarray(1);
    const outcome = infonceRow(energies, 0, energies.length, 0, tau);
    loss += outcome.loss;
    hits += outcome.won;
    positives += positive;
    for (const energy of others) negatives += energy;
    negativeCount += others.length;
  }
  return {
    loss: loss / rows,
    accuracy: hits / rows,
    positiveEnergy: positives / rows,
    negativeEnergy: negatives / negativeCount,
  };
}

export function checkPairs(size: number): void {
  if (!Number.isSafeInteger(size) || size < 2) {
    throw invalid('size', 'a matrix without negatives', {
      found: String(size),
      wanted: 'at least 2 pairs',
      mend: 'Every negative of a pair is another action of the same batch.',
    });
  }
}

export function checkTau(tau: number): void {
  if (!(tau > 0) || !Number.isFinite(tau)) {
    throw invalid('tau', 'not a temperature', { found: String(tau), wanted: 'a finite number above 0' });
  }
}

export function checkValues(field: string, values: Values, length: number): void {
  if (values.length !== length) {
    throw invalid(field, 'wrong number of values', { found: String(values.length), wanted: String(length) });
  }
  for (let i = 0; i < length; i++) {
    if (!Number.isFinite(values[i])) {
      throw invalid(`${field}[${i}]`, 'not finite', { found: String(values[i]), wanted: 'a finite number' });
    }
  }
}
