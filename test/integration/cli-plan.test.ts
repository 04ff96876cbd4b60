/** `action-energy plan` as a user runs it: figures by flag, by file, measured here and at a server; what it refuses. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Costs, Plan } from '../../src/planning/fleet.js';
import { withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { addressOf, serveGolden, writeGoldenBundles } from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const FIGURES = ['--context-ms', '28', '--candidate-ms', '0.3', '--request-ms', '0.5', '--latency-ms', '3'];
const QUICK = ['--robots', '4', '--seconds', '0.05', '--tokens', '8', '--candidates', '2', '--json'];

interface Answer {
  readonly costs: Costs;
  readonly plan: Plan;
}

test("figures by flag, and the answer as the next run's file", () =>
  withDirectory(async (directory) => {
    const first = await runCli('plan', ...FIGURES, '--robots', '100', '--kept', '0.8', '--json');
    assert.equal(first.code, 0, first.stderr);
    const file = path.join(directory, 'plan.json');
    await writeFile(file, first.stdout);
    const again = await runCli('plan', '--costs', file, '--robots', '100', '--kept', '0.8', '--json');
    assert.deepEqual(JSON.parse(again.stdout), JSON.parse(first.stdout));
    const { plan } = JSON.parse(first.stdout) as Answer;
    assert.equal(plan.perSecond, 500);
    assert.ok(Math.abs(plan.keptMs - 5.3) < 1e-9 && Math.abs(plan.freshMs - 33.3) < 1e-9);
    const words = await runCli('plan', '--costs', file, '--robots', '100', '--kept', '0.8');
    assert.match(words.stdout, new RegExp(`^machines  ${plan.machines}: `, 'm'));
  }));

test('machines that will not do: exit code 3, and how many robots they hold', async () => {
  const { code, stdout } = await runCli('plan', ...FIGURES, '--robots', '40', '--machines', '3');
  assert.equal(code, 3);
  assert.match(stdout, /holds +NO/);
  assert.match(stdout, /these machines hold \d+ robots/);
});

test('measured: a bundle on this machine, and a server that runs', () =>
  withDirectory(async (models) => {
    await writeGoldenBundles(models, [CASE]);
    const engine = ['--provider', 'cpu', '--threads', '1'];
    const here = await runCli('plan', path.join(models, CASE), ...engine, ...QUICK);
    assert.equal(here.code, 0, here.stderr);
    const service = await serveGolden([CASE]);
    try {
      const there = await runCli('plan', '--server', '--address', addressOf(service.server), ...QUICK);
      assert.equal(there.code, 0, there.stderr);
      for (const { stdout } of [here, there]) {
        const { costs, plan } = JSON.parse(stdout) as Answer;
        assert.ok(costs.requestMs + costs.candidateMs > 0);
        assert.ok(plan.machines >= 1);
      }
    } finally {
      await service.close();
    }
  }));

const refusals: readonly [name: string, args: readonly string[], code: number, wanted: RegExp][] = [
  ['no costs', ['--robots', '5'], 2, /nothing tells what a request costs/],
  ['some of the figures', ['--robots', '5', '--context-ms', '3'], 2, /only contextMs/],
  ['two sources', ['models/tiny-reach', '--server', '--robots', '5'], 2, /a bundle and --server/],
  ['no bundle', ['no/such', '--robots', '5'], 2, /no\/such/],
  ['no file', ['--costs', 'no/such', '--robots', '5'], 2, /cannot be read as JSON/],
  ['a share above 1', [...FIGURES, '--robots', '5', '--kept', '80'], 2, /--kept: Wanted a share from 0 to 1/],
  ['a deadline that nothing meets', [...FIGURES, '--robots', '5', '--within', '4'], 3, /one robot alone/],
];
for (const [name, args, code, wanted] of refusals) {
  test(`refused: ${name}`, async () => {
    const result = await runCli('plan', ...args);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, wanted);
  });
}
