/** Where the readout is flat: there, raw values that differ widely give energies that hardly differ. */
import type { Readout } from '../model/card.js';
import { sigmoid } from '../model/readout.js';

/** Distance of the inner sigmoid from its ends below which it counts as flat (its slope is then under 4 percent of the top). */
const FLAT = 0.01;

/** A linear or half_square readout has no flat end. */
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
