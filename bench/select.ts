/**
 * `npm run bench:select`: what SelectAction costs beside a ScoreActions of the same candidates, on the bundled model with a kept
 * context, one caller; and what gradients cost (`select-gradient.ts`). Requests of all kinds take turns, so that they meet the
 * same machine; differences of medians.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { EnergyClient } from '../src/client/energy-client.js';
import { loadConfig } from '../src/config/load.js';
import { startEngine } from '../src/engine/start.js';
import { startServer } from '../src/grpc/server.js';
import type { Rule } from '../src/generated/action_energy/v1/Rule.js';
import { randomRequests } from '../src/client/random-requests.js';
import { saveBundle } from '../src/model/bundle.js';
import { MODELS } from '../test/support/load.js';
import { seededRandom } from '../src/random.js';
import { decide, plan } from '../src/selection/decide.js';
import { samplesOf, type Rule as SelectionRule } from '../src/selection/rules.js';
import { benchModel, REFERENCE_SIZE } from './random-model.js';
import { gradientTable } from './select-gradient.js';
import { median } from './statistics.js';
import { formatTable } from '../src/cli/output.js';

const CANDIDATES = [4, 16, 64];
const RULES = [
  'ENERGY',
  'ENERGY_MEAN',
  'CONSENSUS',
  'CONSENSUS_MEAN',
  'CONSENSUS_OF_BEST',
] as const satisfies Rule[];
const WARM_UP = 100;
const ROUNDS = 150;

/** Milliseconds that rules take by themselves, distances included: median, by rule. */
function alone(count: number, steps: number, dims: number): string[] {
  const random = seededRandom(count, 'select');
  const values = Float32Array.from({ length: count * steps * dims }, () => random.normal());
  const energies = Float64Array.from({ length: count }, () => random.normal());
  const traits = { dims, twoValued: undefined, oneUnit: true };
  return RULES.map((rule) => {
    const times: number[] = [];
    const asked = { rule: rule.toLowerCase() as SelectionRule, ungated: true };
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      const startMs = performance.now();
      const samples = samplesOf({ values, candidates: count, steps }, traits, 0);
      decide(plan(asked, undefined, true), samples, energies, false);
      times.push(performance.now() - startMs);
    }
    return median(times.slice(WARM_UP)).toFixed(3);
  });
}

const models = await mkdtemp(path.join(tmpdir(), 'action-energy-bench-'));
await cp(path.join(MODELS, 'tiny-reach'), path.join(models, 'tiny-reach'), { recursive: true });
const { card, weights } = benchModel(REFERENCE_SIZE);
await saveBundle(path.join(models, card.name), card, weights);
const server = await startServer(
  loadConfig({
    flags: {
      models,
      'default-model': 'tiny-reach',
      address: '127.0.0.1:0',
      'metrics-address': 'none',
      'quality-share': '0',
    },
  }),
  {
    log: pino({ level: 'silent' }),
    startEngine: (bundle) => startEngine(bundle, { provider: 'cpu', threads: 1 }),
  },
);
const client = await EnergyClient.open({ address: server.addresses[0]! });
const rows: string[][] = [];
const ownRows: string[][] = [];
let gradients: string;
try {
  const model = await client.getModel('');
  for (const count of CANDIDATES) {
    ownRows.push([String(count), ...alone(count, 8, model.actionDim)]);
    const shape = { tokens: 300, masked: 0, candidates: count, steps: 8, dtype: 'bfloat16' } as const;
    const requests = randomRequests(model, shape);
    const { context } = await client.putContext({ context: requests.context, leaseMs: 600_000 });
    const contextId = context!.contextId;
    const kinds: ((index: number) => Promise<unknown>)[] = [
      (index) => client.score(requests.score(index, contextId)),
      ...RULES.map(
        (rule) => (index: number) =>
          client.selectAction({ ...requests.score(index, contextId), rule, ungated: true }),
      ),
    ];
    const times = kinds.map((): number[] => []);
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      for (const [kind, ask] of kinds.entries()) {
        const startMs = performance.now();
        await ask(round);
        if (round >= WARM_UP) times[kind]!.push(performance.now() - startMs);
      }
    }
    const [score, ...rest] = times.map(median);
    rows.push([
      String(count),
      score!.toFixed(3),
      ...rest.map((each) => `${each < score! ? '-' : '+'}${Math.abs(each - score!).toFixed(3)}`),
    ]);
  }
  gradients = await gradientTable(client, [
    { model: 'tiny-reach', tokens: 64 },
    { model: card.name, tokens: REFERENCE_SIZE.tokens },
  ]);
} finally {
  client.close();
  await server.close();
  await rm(models, { recursive: true });
}
const names = RULES.map((rule) => rule.toLowerCase());
const right = ['N', 'ScoreActions', ...names].map(() => 'right' as const);
process.stdout
  .write(`rules by themselves, distances included: median milliseconds (they run while the engine does)
${formatTable(['N', ...names], ownRows, right)}

ScoreActions: median milliseconds; SelectAction by rule: median more than that
${formatTable(['N', 'ScoreActions', ...names], rows, right)}

on a kept context, median milliseconds: the engine's for a score and for a score with dE/dA, the whole call of ScoreActions
and of SelectAction by REFINE
${gradients}
`);
