/**
 * Quantiles of the beta and of Student's t distribution, from the incomplete beta function by its continued fraction
 * (DLMF 8.17.22). Against SciPy within 1e-9: test/golden/calibration_metrics.py.
 */

/** Relative change at which the continued fraction and the bisections end. */
const TOLERANCE = 1e-15;
const MOST_TERMS = 10_000;

/** P(X <= x) of Beta(a, b), a and b positive; 0 and 1 outside [0, 1]. */
export function betaCdf(x: number, a: number, b: number): number {
  if (!(x > 0)) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  // the fraction converges fast below the mean; above it the other tail's does
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/** x with P(X <= x) = level, of Beta(a, b). */
export function betaQuantile(level: number, a: number, b: number): number {
  if (!(level > 0)) return 0;
  if (level >= 1) return 1;
  let low = 0;
  let high = 1;
  while (high - low > TOLERANCE * high) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (betaCdf(middle, a, b) < level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** t with P(T <= t) = level, of Student's t with `degrees` > 0 degrees of freedom. */
export function studentQuantile(level: number, degrees: number): number {
  if (level === 0.5) return 0;
  if (level < 0.5) return -studentQuantile(1 - level, degrees);
  const x = betaQuantile(2 * (1 - level), degrees / 2, 0.5);
  return Math.sqrt((degrees * (1 - x)) / x);
}

/** Lentz's method for the continued fraction of the incomplete beta function. */
function betaFraction(x: number, a: number, b: number): number {
  const nonZero = (value: number): number => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= MOST_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < TOLERANCE) break;
  }
  return value;
}

/** ln Gamma(x), x > 0: Stirling's series (DLMF 5.11.1) after raising the argument above 12. */
export function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 12) {
    shift -= Math.log(z);
    z += 1;
  }
  const r = 1 / (z * z);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / z;
  return shift + (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series;
}
