/**
 * Dashboards and alerts against the real things: promtool checks and tests the rules; a real server under load is scraped by a
 * real Prometheus, every query of every panel returns data there, and the alerts that an overload plans do come up.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { PANELS } from '../../deploy/dashboards/dashboards.js';
import { EnergyClient } from '../../src/client/energy-client.js';
import { overload, SERVE_BUNDLED } from '../support/load.js';
import {
  RULES,
  RULES_TEST,
  skipWithoutPrometheus,
  startPrometheus,
  withoutVariables,
} from '../support/prometheus.js';
import { everyKindOfCall } from '../support/every-call.js';
import { startServerProcess } from '../support/server-process.js';

const skip = skipWithoutPrometheus('DASHBOARDS AND ALERTS ARE');

test('promtool accepts the rules, and they fire as planned', { skip }, () => {
  for (const args of [
    ['check', 'rules', RULES],
    ['test', 'rules', RULES_TEST],
  ]) {
    execFileSync('promtool', args, { stdio: 'pipe' });
  }
});

/** Panels that a healthy run of half a minute leaves empty, and why. */
const EMPTY: Readonly<Record<string, string>> = {
  'Progress of a calibration': 'none runs',
  'Calibrations by outcome': 'the same',
  'Drift of energies (PSI)': 'needs 1024 energies',
  'Gate open': 'the calibration of the bundled model has no gate',
  'Evidence against the gate': 'the same',
  'Decisions recorded': 'served without --record',
  'GPU busy': 'no dcgm-exporter',
  'GPU memory': 'the same',
};

test(
  'every panel query returns data of a server under load; overload brings its alerts',
  { skip },
  async () => {
    const server = await startServerProcess([
      ...SERVE_BUNDLED,
      '--training',
      ...['--quality-share', '1', '--queue-items', '16', '--quality-chunks-per-second', '1000'],
    ]);
    const client = await EnergyClient.open({ address: server.address });
    const prometheus = await startPrometheus(server.metricsPort);
    try {
      await everyKindOfCall(client, server.address, 10_000);
      // twice: a rate begins with the second sample of a series
      for (let burst = 0; burst < 2; burst++) {
        await overload(server, client, 2_000);
        await delay(2_000);
      }
      const empty: string[] = [];
      for (const { title, queries } of PANELS) {
        for (const { expr } of queries) {
          const lines = await prometheus.query(withoutVariables(expr, '5m'));
          const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
          if (!values.some(Number.isFinite)) empty.push(title);
        }
      }
      assert.deepEqual(
        [...new Set(empty)].filter((title) => EMPTY[title] === undefined),
        [],
      );
      const alert = async (wanted: string): Promise<void> => {
        while (!(await prometheus.alerts()).includes(wanted)) await delay(200);
      };
      // a busy machine offers too little now and then: the load goes on until all have come
      const planned = ['ActionEnergyErrorBudgetBurn', 'ActionEnergyLate', 'ActionEnergyRefusing'];
      for (let there: string[] = []; !planned.every((wanted) => there.includes(wanted));) {
        await overload(server, client, 1_000);
        there = await prometheus.alerts();
      }
      assert.ok(!(await prometheus.alerts()).includes('ActionEnergyDown'));
      server.child.kill('SIGKILL');
      await alert('ActionEnergyDown');
    } finally {
      client.close();
      await prometheus.close();
      server.child.kill('SIGKILL');
      await server.exited;
    }
  },
);
