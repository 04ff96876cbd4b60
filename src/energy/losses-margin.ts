/**
 * Losses that ask for an energy gap as wide as the actions are apart, in float64. Symbols: B pairs, L = H*A values a
 * chunk, a_i the expert chunk of pair i. Errors as in losses.ts.
 */
import { invalid } from '../errors.js';
import { checkPairs, checkValues, type Values } from './losses.js';

/** m0 and kappa of the hinge, beta of the margin, where nothing else is said. */
export const HINGE_DEFAULTS = { margin: 1, kappa: 0.6 } as const;
export const MARGIN_BETA = 2;

/** One pair of `hingeLoss`. */
export function hingeTerm(
  positive: number,
  negative: number,
  distance: number,
  margin: number,
  kappa: number,
): number {
  return Math.max(0, margin + kappa * distance + positive - negative);
}

/** One pair of `marginLoss`. */
export function marginTerm(positive: number, negative: number, difference: number, beta: number): number {
  return Math.max(0, positive - negative + beta * difference);
}

export interface HingeOptions {
  /** m0: gap asked for at distance 0. */
  readonly margin?: number;
  /** kappa: further gap a unit of distance. */
  readonly kappa?: number;
}

/**
 * Hinge loss with a margin that grows with the distance of the negative chunk:
 *
 * `mean_i relu( m0 + kappa * ||a-_i - a_i||_2 + E+_i - E-_i )`
 *
 * The positive energy is a constant to training (no gradient flows into it). The norm is over the whole chunk.
 *
 * @param positive [B] energies of the expert chunks
 * @param negative [B] energies of the negative chunks
 * @param distance [B] from `chunkDistance`
 */
export function hingeLoss(
  positive: Values,
  negative: Values,
  distance: Values,
  { margin = HINGE_DEFAULTS.margin, kappa = HINGE_DEFAULTS.kappa }: HingeOptions = {},
): number {
  const size = positive.length;
  if (size < 1) throw invalid('positive', 'no pairs', { found: 'length 0', wanted: 'at least 1' });
  checkValues('positive', positive, size);
  checkValues('negative', negative, size);
  checkDistances('distance', distance, size);
  checkValues('margin', [margin], 1);
  checkValues('kappa', [kappa], 1);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    sum += hingeTerm(positive[i]!, negative[i]!, distance[i]!, margin, kappa);
  }
  return sum / size;
}

/**
 * Margin ranking over the matrix of a batch:
 *
 * `mean_{i != j} relu( E_ii - E_ij + beta * mean|a_j - a_i| )`
 *
 * @param matrix [B, B], E[i, j] = E(context i, action j)
 * @param difference [B, B] from `meanAbsoluteDifferences`
 */
export function marginLoss(matrix: Values, difference: Values, size: number, beta = MARGIN_BETA): number {
  checkPairs(size);
  checkValues('matrix', matrix, size * size);
  checkDistances('difference', difference, size * size);
  checkValues('beta', [beta], 1);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const positive = matrix[i * size + i]!;
    for (let j = 0; j < size; j++) {
      if (j === i) continue;
      sum += marginTerm(positive, matrix[i * size + j]!, difference[i * size + j]!, beta);
    }
  }
  return sum / (size * (size - 1));
}

/**
 * `||b_i - a_i||_2` over all steps and dims of each chunk.
 *
 * @param a [B, L]
 * @param b [B, L]
 * @returns [B]
 */
export function chunkDistance(a: Values, b: Values, size: number): Float64Array {
  const length = chunkLength(a, size);
  checkValues('a', a, size * length);
  checkValues('b', b, size * length);
  return Float64Array.from({ length: size }, (_, i) => {
    let squares = 0;
    for (let k = i * length; k < (i + 1) * length; k++) squares += (b[k]! - a[k]!) ** 2;
    return Math.sqrt(squares);
  });
}

/**
 * `mean|a_j - a_i|` over all steps and dims, for every two chunks.
 *
 * @param actions [B, L]
 * @returns [B, B], symmetric, zero diagonal
 */
export function meanAbsoluteDifferences(actions: Values, size: number): Float64Array {
  const length = chunkLength(actions, size);
  checkValues('actions', actions, size * length);
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += Math.abs(actions[j * length + k]! - actions[i * length + k]!);
      out[i * size + j] = out[j * size + i] = sum / length;
    }
  }
  return out;
}

function chunkLength(actions: Values, size: number): number {
  const length = actions.length / size;
  if (!Number.isSafeInteger(size) || size < 1 || !Number.isInteger(length) || length < 1) {
    throw invalid('actions', 'not a whole number of chunks', {
      found: `${actions.length} values for ${size} chunks`,
      wanted: 'a positive multiple of at least 1 chunk',
    });
  }
  return length;
}

function checkDistances(field: string, values: Values, length: number): void {
  checkValues(field, values, length);
  for (let i = 0; i < length; i++) {
    if (values[i]! < 0) {
      throw invalid(`${field}[${i}]`, 'a negative distance', {
        found: String(values[i]),
        wanted: 'at least 0',
      });
    }
  }
}
