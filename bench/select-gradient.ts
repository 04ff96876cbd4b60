/**
 * What a gradient by the actions costs beside its score, and the rule REFINE beside a ScoreActions, on a kept context: of the
 * bundled model and of one of the size that serves a 7B policy. Requests take turns, so that they meet the same machine.
 */
import type { EnergyClient } from '../src/client/energy-client.js';
import { formatTable } from '../src/cli/output.js';
import { randomRequests } from '../src/client/random-requests.js';
import { median } from './statistics.js';
import { verdict } from './table.js';

const CANDIDATES = [1, 8, 16, 64];
const STEPS = 3;
const WARM_UP = 20;
const ROUNDS = 60;
/** A gradient in scores. */
const REACH = 3.5;

export interface Measured {
  readonly model: string;
  readonly tokens: number;
}

export async function gradientTable(client: EnergyClient, models: readonly Measured[]): Promise<string> {
  const rows: string[][] = [];
  for (const { model: name, tokens } of models) {
    const model = await client.getModel(name);
    for (const candidates of CANDIDATES) {
      const shape = { tokens, masked: 0, candidates, steps: 8, dtype: 'bfloat16' } as const;
      const requests = randomRequests(model, shape);
      const kept = await client.putContext({ model: name, context: requests.context, leaseMs: 600_000 });
      const { contextId } = kept.context!;
      const request = (index: number) => ({ model: name, ...requests.score(index, contextId) });
      const times = {
        score: [] as number[],
        slope: [] as number[],
        whole: [] as number[],
        refine: [] as number[],
      };
      for (let round = 0; round < WARM_UP + ROUNDS; round++) {
        const startMs = performance.now();
        const scored = await client.score(request(round));
        const scoredMs = performance.now();
        const sloped = await client.score({ ...request(round), options: { actionGradients: true } });
        const slopedMs = performance.now();
        await client.selectAction({
          ...request(round),
          rule: 'REFINE',
          ungated: true,
          refinement: { steps: STEPS },
        });
        const refinedMs = performance.now();
        if (round < WARM_UP) continue;
        times.score.push(scored.timings!.scoreMs);
        times.slope.push(sloped.timings!.scoreMs);
        times.whole.push(scoredMs - startMs);
        times.refine.push(refinedMs - slopedMs);
      }
      await client.dropContext({ model: name, contextId });
      const [score, slope, whole, refine] = [times.score, times.slope, times.whole, times.refine].map(median);
      rows.push([
        name,
        String(candidates),
        score!.toFixed(2),
        slope!.toFixed(2),
        `${(slope! / score!).toFixed(2)}${verdict(slope! / score!, REACH, 'most')}`,
        whole!.toFixed(2),
        refine!.toFixed(2),
        (refine! / whole!).toFixed(2),
      ]);
    }
  }
  const header = [
    'model',
    'N',
    'score',
    'gradient',
    'ratio',
    'ScoreActions',
    `REFINE, ${STEPS} steps`,
    'ratio',
  ];
  return formatTable(header, rows, ['left', ...header.slice(1).map(() => 'right' as const)]);
}
