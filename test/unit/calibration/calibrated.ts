/** A calibration of synthetic data by an engine made of arithmetic, the same at any time. */
import type { Calibration } from '../../../src/calibration/calibration-schema.js';
import { calibrate } from '../../../src/calibration/calibrate.js';
import type { CalibrationData } from '../../../src/calibration/data/calibration-data.js';
import { fakeEngine, type FakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, syntheticCard } from './synthetic.js';

export const DIGEST = 'ab'.repeat(32);

export function engineFor(): FakeEngine {
  return fakeEngine(ACTION_DIM, STATE_DIM);
}

export async function calibrated(
  data: CalibrationData,
  engine = engineFor(),
  seed = 0,
): Promise<Calibration> {
  const now = (): Date => new Date('2026-01-01T00:00:00Z');
  return calibrate({ engine, card: syntheticCard(), weightsDigest: DIGEST, data, seed, now });
}
