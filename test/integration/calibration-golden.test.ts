/** What one pass collects with the real engine, against the golden vectors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/calibration/collect.js';
import { memoryColumns } from '../../src/calibration/data/columns.js';
import { calibrationData } from '../../src/calibration/data/calibration-data.js';
import { ownScores, swapScores } from '../../src/calibration/metrics/groups.js';
import { infonceRows } from '../../src/calibration/metrics/infonce.js';
import { weightedMean } from '../../src/calibration/metrics/weighted.js';
import { planNegatives } from '../../src/calibration/data/negatives.js';
import { startEngine } from '../../src/engine/start.js';
import { float64Values, GOLDEN_CASES, goldenModel, goldenTensors } from '../support/bundles.js';

for (const name of GOLDEN_CASES) {
  test(`the pass over ${name} finds the golden energies and losses`, async () => {
    const { card, weights } = goldenModel(name);
    const columns = ['hidden', 'actions', 'pad_mask', 'negatives'];
    const inputs = new Map([...goldenTensors(name, 'inputs')].filter(([key]) => columns.includes(key)));
    const data = await calibrationData([memoryColumns(name, inputs)], card);
    const units = new Float64Array(card.action_dim).fill(1);
    const rows = Int32Array.from({ length: data.rows }, (_, row) => row);
    const engine = await startEngine({ card, weights }, { provider: 'cpu', threads: 1 });
    try {
      const observations = await collect(data, rows, {
        engine,
        card,
        plan: planNegatives(data, card, units, 0),
        units,
        clusters: rows,
        batch: data.rows,
        seed: 3,
        nearDuplicate: 0,
        density: null,
      });
      const expected = goldenTensors(name, 'expected');
      const golden = (key: string): Float64Array => float64Values(expected.get(key)!);
      const matrix = golden('matrix');
      const { groups, negatives } = observations.readout;
      const close = (found: number, wanted: number, tolerance: number): void =>
        assert.ok(Math.abs(found - wanted) <= tolerance, `${found} is not ${wanted}`);
      observations.rows.forEach((context, i) =>
        observations.rows.forEach((action, j) =>
          close(groups.scores[i * data.rows + j]!, matrix[context * data.rows + action]!, 2e-5),
        ),
      );
      const ones = new Float64Array(data.rows).fill(1);
      close(weightedMean(infonceRows(groups, card.tau).loss, ones), golden('swap_infonce')[0]!, 1e-4);
      close(weightedMean(ownScores(groups), ones), golden('positive_energy')[0]!, 2e-5);
      const swap = swapScores(groups);
      const all = new Float64Array(swap.length).fill(1);
      close(weightedMean(swap, all), golden('negative_energy')[0]!, 2e-5);
      const explicit = negatives.get('explicit')!;
      const mean = explicit.reduce((sum, energy) => sum + energy, 0) / explicit.length;
      close(mean, golden('explicit_negative_energy')[0]!, 2e-5);
      const steps = golden('steps');
      observations.rows.forEach((row, i) => {
        for (let t = 0; t < data.steps; t++) {
          close(observations.ownSteps[i * data.steps + t]!, steps[row * data.steps + t]!, 2e-5);
        }
      });
    } finally {
      await engine.close();
    }
  });
}
