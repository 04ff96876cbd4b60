/**
 * The readout turns a raw per-step value r of the prediction head into an energy:
 *
 *   sigmoid      scale * sigmoid(gain * r) + offset
 *   softplus     log(1 + e^r) + offset
 *   linear       r
 *   half_square  r^2 / 2 + offset
 */
import type { Readout } from './card.js';

/** 1 / (1 + e^-x) without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** log(1 + e^x) without overflow or loss for large |x|. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

export function readoutValue(readout: Readout, r: number): number {
  switch (readout.kind) {
    case 'sigmoid':
      return readout.scale * sigmoid(readout.gain * r) + readout.offset;
    case 'softplus':
      return softplus(r) + readout.offset;
    case 'linear':
      return r;
    case 'half_square':
      return 0.5 * r * r + readout.offset;
  }
}

/** The readout of every value, in float64; same order and length. */
export function applyReadout(readout: Readout, raw: Float32Array | Float64Array): Float64Array {
  const out = new Float64Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = readoutValue(readout, raw[i]!);
  return out;
}

/** Distance of the inner sigmoid from its ends below which it counts as flat (its slope is then under 4 percent of the top). */
const FLAT = 0.01;

/**
 * Where the readout is flat: there, raw values that differ widely give energies that hardly differ. A linear or half_square readout has no
 * flat end.
 */
export function isSaturated(readout: Readout, r: number): boolean {
  switch (readout.kind) {
    case 'sigmoid': {
      const inner = sigmoid(readout.gain * r);
      return inner < FLAT || inner > 1 - FLAT;
    }
    case 'softplus':
      return sigmoid(r) < FLAT; // the slope of softplus
    case 'linear':
    case 'half_square':
      return false;
  }
}
