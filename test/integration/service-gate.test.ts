/** The calibrated gate over the wire: accepted, refused, compared with a control arm, and closed by outcomes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { contract } from '../../src/wire/contract.js';
import { serveGated } from '../support/gated.js';
import { call, metricsPage, row, tensorMessage } from '../support/service.js';
import { exampleTensors, type TinyService } from '../support/tiny-reach.js';

const { SelectAction, ReportOutcome } = contract.selection;
const { ScoreActions } = contract.energy;
const BASELINE = 1;

const tensors = await exampleTensors();
const request = {
  inline: { hidden: tensorMessage(row(tensors.get('hidden')!, 0)) },
  candidates: tensorMessage(row(tensors.get('candidates')!, 0)),
  baselineIndex: BASELINE,
};

async function metric(service: TinyService, name: string): Promise<number> {
  const page = await metricsPage(service);
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(`${name}{`))
      ?.split(' ')
      .at(-1),
  );
}

describe('the gate of a calibration', () => {
  test('accepts what it should, in SelectAction and in ScoreActions alike', async () => {
    const service = await serveGated(0);
    try {
      const answer = await call(service.client, SelectAction, { ...request, rule: 'AUTO' });
      const lowest = Math.min(...answer.energies);
      assert.deepEqual([answer.rule, answer.origin, answer.fallback], ['ENERGY', 'CANDIDATE', 'NONE']);
      assert.equal(answer.energies[answer.candidateIndex], lowest);
      assert.match(answer.reason, /^auto: the lowest energy was best in a test; /);
      assert.notEqual(answer.model!.calibrationVersion, '');
      const gate = { accepted: true, marginWanted: 0, marginFound: answer.energies[BASELINE]! - lowest };
      assert.deepEqual(answer.gate, gate);
      const options = { baselineIndex: BASELINE };
      const { inline, candidates } = request;
      const scored = await call(service.client, ScoreActions, { inline, candidates, options });
      assert.deepEqual(scored.baseline!.gate, gate);
      const raw = await call(service.client, ScoreActions, {
        inline,
        candidates,
        options: { ...options, raw: true },
      });
      assert.equal(raw.baseline!.gate, null);
    } finally {
      await service.close();
    }
  });

  test('refuses a margin that is too small, and candidates that it is not good for', async () => {
    const service = await serveGated(1e6);
    try {
      for (const rule of ['ENERGY', 'ENERGY_MEAN', 'CONSENSUS_OF_BEST'] as const) {
        const answer = await call(service.client, SelectAction, { ...request, rule });
        assert.deepEqual([answer.origin, answer.fallback], ['BASELINE', 'GATE_REFUSED']);
        assert.equal(answer.gate!.accepted, false);
        assert.ok(answer.energies.length > 0);
      }
    } finally {
      await service.close();
    }
    const few = await serveGated(0, {}, 3);
    try {
      const answer = await call(few.client, SelectAction, { ...request, rule: 'ENERGY' });
      assert.ok(answer.candidateIndex < 3);
      assert.match(answer.reason, /of the first 3/);
    } finally {
      await few.close();
    }
  });

  test('outcomes that refute its bound close it, and a reload opens it', async () => {
    const service = await serveGated(0);
    const { client } = service;
    try {
      let reports = 0;
      for (let open = true; open; reports++) {
        const { requestId, fallback } = await call(client, SelectAction, { ...request, rule: 'ENERGY' });
        assert.equal(fallback, 'NONE');
        const report = await call(client, ReportOutcome, { requestId, success: false, baselineCost: 0 });
        assert.deepEqual([report.counted, report.notCounted], [true, '']);
        ({ open } = report.monitor!);
        assert.equal(open, report.monitor!.evidence < report.monitor!.closesAt);
      }
      assert.ok(reports >= 2 && reports < 20, String(reports));
      const closed = await call(client, SelectAction, { ...request, rule: 'ENERGY_MEAN' });
      assert.deepEqual([closed.origin, closed.fallback], ['BASELINE', 'GATE_CLOSED']);
      assert.equal((await call(client, SelectAction, { ...request, rule: 'CONSENSUS' })).fallback, 'NONE');
      const { inline, candidates } = request;
      const options = { baselineIndex: BASELINE };
      const scored = await call(client, ScoreActions, { inline, candidates, options });
      assert.equal(scored.baseline!.gate!.accepted, false);
      assert.equal(await metric(service, 'action_energy_gate_open'), 0);
      await call(client, contract.admin.Reload, {});
      assert.equal((await call(client, SelectAction, { ...request, rule: 'ENERGY' })).fallback, 'NONE');
    } finally {
      await service.close();
    }
  });

  test('a control arm of whole episodes makes outcomes count, each episode once', async () => {
    const service = await serveGated(0, { 'control-share': '0.5' });
    const { client } = service;
    try {
      const arms = new Set<string>();
      for (let episode = 0; episode < 40; episode++) {
        const asked = { ...request, rule: 'ENERGY' as const, episodeId: String(episode) };
        const first = await call(client, SelectAction, asked);
        const second = await call(client, SelectAction, asked);
        assert.equal(first.fallback, second.fallback, 'an episode is in one arm');
        arms.add(first.fallback);
        const { counted } = await call(client, ReportOutcome, { requestId: first.requestId, success: true });
        assert.equal(counted, true);
        const again = await call(client, ReportOutcome, { requestId: second.requestId, success: true });
        assert.match(again.notCounted, /episode has counted/);
      }
      assert.deepEqual([...arms].sort(), ['CONTROL', 'NONE']);
    } finally {
      await service.close();
    }
  });
});
