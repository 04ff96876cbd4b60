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
