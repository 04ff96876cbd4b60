/**
 * Reliability diagram and expected calibration error (Guo et al. 2017): rows fall into equal-width bins of their
 * confidence; ECE is the weighted mean of |accuracy - confidence| over the bins.
 */
export const RELIABILITY_BINS = 15;

export interface ReliabilityBin {
  /** Share of the weight in this bin. */
  readonly share: number;
  /** Mean confidence and accuracy; NaN in an empty bin. */
  readonly confidence: number;
  readonly accuracy: number;
}

export function reliabilityBins(
  confidence: Float64Array,
  correct: Float64Array,
  weights: Float64Array,
): ReliabilityBin[] {
  const mass = new Float64Array(RELIABILITY_BINS);
  const confident = new Float64Array(RELIABILITY_BINS);
  const right = new Float64Array(RELIABILITY_BINS);
  let total = 0;
  for (let row = 0; row < confidence.length; row++) {
    if (Number.isNaN(confidence[row]!)) continue;
    // bins are (low, high]: a confidence of exactly 1 belongs to the last
    const bin = Math.min(
      RELIABILITY_BINS - 1,
      Math.max(0, Math.ceil(confidence[row]! * RELIABILITY_BINS) - 1),
    );
    mass[bin]! += weights[row]!;
    confident[bin]! += weights[row]! * confidence[row]!;
    right[bin]! += weights[row]! * correct[row]!;
    total += weights[row]!;
  }
  return Array.from(mass, (share, bin) => ({
    share: total > 0 ? share / total : 0,
    confidence: confident[bin]! / share,
    accuracy: right[bin]! / share,
  }));
}

/** Expected calibration error, in [0, 1]; NaN when no row has a confidence. */
export function expectedCalibrationError(
  confidence: Float64Array,
  correct: Float64Array,
  weights: Float64Array,
): number {
  const filled = reliabilityBins(confidence, correct, weights).filter(({ share }) => share > 0);
  if (filled.length === 0) return NaN;
  return filled.reduce((sum, bin) => sum + bin.share * Math.abs(bin.accuracy - bin.confidence), 0);
}
