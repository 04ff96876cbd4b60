/** The prior-corrected score over the wire: the calibration's own numbers, or a clear refusal. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import type { Calibration } from '../../src/calibration/calibration-schema.js';
import { logDensities } from '../../src/calibration/choice/density.js';
import { rank } from '../../src/model/energy.js';
import { floats32 } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { MODELS } from '../support/load.js';
import { badField, call, failure, row, tensorMessage } from '../support/service.js';
import { exampleTensors, serveTinyReach, type TinyService } from '../support/tiny-reach.js';

const { SelectAction } = contract.selection;
const { ScoreActions, EnergyMatrix } = contract.energy;

const tensors = await exampleTensors();
const chunks = row(tensors.get('candidates')!, 0);
const request = {
  inline: { hidden: tensorMessage(row(tensors.get('hidden')!, 0)) },
  candidates: tensorMessage(chunks),
};
const text = await readFile(path.join(MODELS, 'tiny-reach', 'calibration.json'), 'utf8');
const bundled = JSON.parse(text) as Calibration;
const { gates: fitted } = bundled.choice!;
/** The bundled calibration, with a gate for the corrected score whether or not one was found. */
const calibration: Calibration = {
  ...bundled,
  choice: {
    ...bundled.choice!,
    gates: { ...fitted, corrected: fitted.corrected ?? { ...fitted[bundled.better]!, margin: 0.5 } },
  },
};

/** The bundled model with its calibration, or a changed one, or none. */
function serve(changed: Calibration | undefined): Promise<TinyService> {
  return serveTinyReach({}, async (bundle) => {
    if (changed) await writeFile(path.join(bundle, 'calibration.json'), JSON.stringify(changed));
  });
}

function assertClose(found: readonly number[], wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(found.length, wanted.length);
  found.forEach((value, i) =>
    assert.ok(Math.abs(value - wanted[i]!) <= tolerance, `${i}: ${value}, ${wanted[i]}`),
  );
}

describe('the corrected score', () => {
  test('is E/tau - log p(a) of the calibration, ranked and softmaxed as it is', async () => {
    const service = await serve(calibration);
    try {
      const { better, scores, choice } = calibration;
      const plain = await call(service.client, ScoreActions, {
        ...request,
        options: { score: better.toUpperCase() as 'READOUT' },
      });
      const options = { score: 'CORRECTED', baselineIndex: 1 } as const;
      const answer = await call(service.client, ScoreActions, { ...request, options });
      const logDensity = logDensities(choice!.density!, floats32(chunks.bytes));
      const { tau } = scores[better].temperature;
      const wanted = plain.energies.map((energy, i) => energy / tau - logDensity[i]!);
      assertClose(answer.energies, wanted, 1e-12);
      assert.deepEqual(answer.ranking, [...rank(Float64Array.from(wanted))]);
      assert.notDeepEqual(answer.ranking, plain.ranking);
      const weights = wanted.map((value) => Math.exp(Math.min(...wanted) - value));
      const sum = weights.reduce((a, b) => a + b, 0);
      assertClose(
        answer.probabilities,
        weights.map((weight) => weight / sum),
        1e-12,
      );
      assert.equal(answer.tau, 1);
      assert.deepEqual(answer.pValues, plain.pValues);
      assert.equal(answer.model!.calibrationVersion, calibration.version);
      assert.equal(answer.baseline!.gate!.marginWanted, choice!.gates.corrected!.margin);
    } finally {
      await service.close();
    }
  });

  test('is what SelectAction chooses by where the calibration named it better', async () => {
    const best = { rule: 'energy', score: 'corrected', finding: 'found in a test' } as const;
    const gates = {
      ...calibration.choice!.gates,
      corrected: { ...calibration.choice!.gates.corrected!, margin: 0, candidates: 64 },
    };
    const service = await serve({
      ...calibration,
      verdict: 'may_choose_behind_gate',
      choice: { ...calibration.choice!, gates, best },
    });
    try {
      const { energies } = await call(service.client, ScoreActions, {
        ...request,
        options: { score: 'CORRECTED' },
      });
      for (const how of [{ rule: 'AUTO' }, { rule: 'ENERGY', score: 'CORRECTED' }] as const) {
        const answer = await call(service.client, SelectAction, { ...request, baselineIndex: 1, ...how });
        assert.deepEqual(answer.energies, energies);
        assert.deepEqual([answer.rule, answer.fallback], ['ENERGY', 'NONE']);
        assert.equal(answer.candidateIndex, energies.indexOf(Math.min(...energies)));
      }
    } finally {
      await service.close();
    }
  });

  test('is refused by name: with what leaves the calibration out, for a matrix, and without a density', async () => {
    const service = await serve(calibration);
    try {
      for (const option of [{ raw: true }, { tau: 1 }, { pool: { sum: {} } }]) {
        const options = { score: 'CORRECTED', ...option } as const;
        const error = await failure(call(service.client, ScoreActions, { ...request, options }));
        assert.deepEqual([error.code, badField(error)], [Code.INVALID_ARGUMENT, 'options.score']);
      }
      const contexts = [{ inline: request.inline }];
      const matrix = { contexts, actions: request.candidates, score: 'CORRECTED' } as const;
      const error = await failure(call(service.client, EnergyMatrix, matrix));
      assert.deepEqual([error.code, badField(error)], [Code.INVALID_ARGUMENT, 'score']);
      // the next one is served as ever
      assert.equal((await call(service.client, ScoreActions, request)).energies.length, chunks.shape[0]);
    } finally {
      await service.close();
    }
    for (const without of [
      undefined,
      { ...calibration, choice: { ...calibration.choice!, density: null } },
    ]) {
      const bare = await serve(without);
      try {
        const options = { score: 'CORRECTED' } as const;
        const scored = await failure(call(bare.client, ScoreActions, { ...request, options }));
        assert.equal(scored.code, Code.FAILED_PRECONDITION);
        assert.match(scored.details, /no density of chunks to correct by/);
        const select = { ...request, baselineIndex: 1, rule: 'CONSENSUS', score: 'CORRECTED' } as const;
        assert.equal((await failure(call(bare.client, SelectAction, select))).code, Code.FAILED_PRECONDITION);
      } finally {
        await bare.close();
      }
    }
  });
});
