/** How much of their contexts data hide. Reads masks only through the contexts' own reader, a bounded number of rows. */
import type { CalibrationData } from '../data/calibration-data.js';

export interface MaskedShare {
  readonly looked: number;
  /** Rows with one visible token, and with none. */
  readonly single: number;
  readonly empty: number;
  /** Mean share of masked tokens. */
  readonly meanMasked: number;
  readonly anyMasked: boolean;
}

/** Looks at `most` evenly spaced rows. */
export async function maskedShare(data: CalibrationData, most: number): Promise<MaskedShare> {
  const looked = Math.min(most, data.rows);
  let single = 0;
  let empty = 0;
  let total = 0;
  let anyMasked = false;
  for (let i = 0; i < looked; i++) {
    const { tokens, masked } = await data.tokens(Math.floor((i * data.rows) / looked));
    if (tokens - masked === 1) single++;
    if (tokens - masked === 0) empty++;
    total += masked / tokens;
    anyMasked ||= masked > 0;
  }
  return { looked, single, empty, meanMasked: total / looked, anyMasked };
}
