/** Alerts about what the energies are worth, against a real server and a real Prometheus: outcomes close a gate, inputs drift. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EnergyClient } from '../../src/client/energy-client.js';
import { serveGated } from '../support/gated.js';
import { bundledRequests } from '../support/load.js';
import { skipWithoutPrometheus, startPrometheus } from '../support/prometheus.js';
import { addressOf, row, tensorMessage } from '../support/service.js';
import { exampleTensors } from '../support/tiny-reach.js';

/** Energies until drift is told, and some more. */
const ENERGIES = 1_200;
const AT_ONCE = 8;

test(
  'a gate that outcomes refute, and inputs that the calibration never saw, bring their alerts',
  { skip: skipWithoutPrometheus('ALERTS ON QUALITY ARE') },
  async () => {
    const service = await serveGated(0, { 'quality-share': '1' });
    const client = await EnergyClient.open({ address: addressOf(service.server) });
    const prometheus = await startPrometheus(service.server.metricsPort!);
    const alert = async (wanted: string): Promise<void> => {
      while (!(await prometheus.alerts()).includes(wanted)) await delay(200);
    };
    const value = async (expr: string): Promise<number | undefined> =>
      (await prometheus.query(expr))[0]?.points[0]?.[1];
    try {
      const tensors = await exampleTensors();
      const request = {
        inline: { hidden: tensorMessage(row(tensors.get('hidden')!, 0)) },
        candidates: tensorMessage(row(tensors.get('candidates')!, 0)),
        baselineIndex: 1,
        rule: 'ENERGY',
      } as const;
      await client.selectAction(request);
      while ((await value('action_energy_gate_open')) !== 1) await delay(200);
      assert.deepEqual(
        (await prometheus.alerts()).filter((name) => /Gate|Drift/.test(name)),
        [],
      );

      for (let open = true; open;) {
        const { requestId } = await client.selectAction(request);
        const report = await client.reportOutcome({ requestId, success: false, baselineCost: 0 });
        open = report.monitor!.open;
      }
      await alert('ActionEnergyGateClosed');

      const requests = await bundledRequests(client, 2);
      let sent = 0;
      const robot = async (): Promise<void> => {
        while (sent < ENERGIES) {
          await client.score({ ...requests.score(sent++), options: { executedIndex: 0 } });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, robot));
      await alert('ActionEnergyDrift');
      assert.ok((await value('max(action_energy_drift_psi)'))! > 0.25);
      await alert('ActionEnergyInputDrift');
    } finally {
      client.close();
      await prometheus.close();
      await service.close();
    }
  },
);
