/** The bundled model with a calibration whose gate lets something through. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Calibration } from '../../src/calibration/calibration-schema.js';
import { MODELS } from './load.js';
import type { Flags } from './service.js';
import { serveTinyReach, type TinyService } from './tiny-reach.js';

/** The bundled model behind a gate of this margin, whose best rule is the lowest energy. */
export async function serveGated(margin: number, flags: Flags = {}, candidates = 64): Promise<TinyService> {
  const text = await readFile(path.join(MODELS, 'tiny-reach', 'calibration.json'), 'utf8');
  const calibration = JSON.parse(text) as Calibration;
  const { gates } = calibration.choice!;
  const gate = { ...gates[calibration.better]!, margin, candidates };
  const edited = {
    ...calibration,
    verdict: 'may_choose_behind_gate',
    choice: {
      ...calibration.choice,
      gates: { ...gates, [calibration.better]: gate },
      best: { rule: 'energy', score: calibration.better, finding: 'the lowest energy was best in a test' },
    },
  };
  return serveTinyReach({ 'metrics-address': '127.0.0.1:0', ...flags }, (bundle) =>
    writeFile(path.join(bundle, 'calibration.json'), JSON.stringify(edited)),
  );
}
