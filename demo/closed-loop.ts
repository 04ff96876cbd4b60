/** Episodes in which somebody chooses among the policy's candidates at every decision; the choices are a server's SelectAction. */
import { contextMessage, tensorMessage } from '../src/client/messages.js';
import type { EnergyClient } from '../src/client/energy-client.js';
import type { InlineContext } from '../src/generated/action_energy/v1/InlineContext.js';
import type { Rule } from '../src/generated/action_energy/v1/Rule.js';
import { floats32, float32Tensor, type Tensor } from '../src/tensor/tensor.js';
import { randomMap } from './hidden-states.js';
import { Episode, joined, type EpisodesOptions, type Moment } from './moments.js';
import { expertChunk } from './policy.js';
import { A, execute, H } from './world.js';

/** Who chooses. `gated` is the lowest energy behind its gate, `auto` what a policy server would ask for. */
export const ARMS = [
  'expert',
  'policy',
  'random',
  'consensus',
  'consensus_mean',
  'energy',
  'energy_mean',
  'gated',
  'auto',
] as const;
export type Arm = (typeof ARMS)[number];

const ASKED: Partial<Record<Arm, { readonly rule: Rule; readonly ungated?: true }>> = {
  consensus: { rule: 'CONSENSUS' },
  consensus_mean: { rule: 'CONSENSUS_MEAN' },
  energy: { rule: 'ENERGY', ungated: true },
  energy_mean: { rule: 'ENERGY_MEAN', ungated: true },
  gated: { rule: 'ENERGY' },
  auto: { rule: 'AUTO' },
};

/** Episodes under way at a time. */
const LANES = 12;
const CALL_MS = 60_000;

/** [episodes]: 1 after success, else 0. Arms with the same options meet the same scenes and random numbers. */
export async function runArm(
  client: EnergyClient,
  model: string,
  arm: Arm,
  options: EpisodesOptions,
  episodes: number,
): Promise<Float64Array> {
  const map = randomMap();
  const successes = new Float64Array(episodes);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < episodes) {
      const number = next++;
      const episode = new Episode(options, map, number);
      let state = episode.start();
      for (let decision = 0; state.outcome === 'running'; decision++) {
        const moment = await episode.moment(state, decision);
        state = execute(state, await choose(client, model, arm, moment, episode));
      }
      successes[number] = state.outcome === 'success' ? 1 : 0;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return successes;
}

async function choose(
  client: EnergyClient,
  model: string,
  arm: Arm,
  moment: Moment,
  episode: Episode,
): Promise<Float32Array> {
  const { candidates, decision, state } = moment;
  const random = episode.random(`${arm} ${decision}`);
  if (arm === 'expert') return expertChunk(state, random);
  if (arm === 'policy') return candidates[0]!;
  if (arm === 'random') return candidates[random.below(candidates.length)]!;
  const answer = await client.selectAction(
    {
      model,
      inline: inlineContext(moment),
      candidates: tensorMessage('candidates', chunksTensor(candidates)),
      baselineIndex: 0,
      ...ASKED[arm],
    },
    { timeoutMs: CALL_MS },
  );
  return floats32(answer.action!.data);
}

/** The visible tokens. */
export function inlineContext({ hidden, mask }: Pick<Moment, 'hidden' | 'mask'>): InlineContext {
  return contextMessage(hidden, [[0, mask.indexOf(1) < 0 ? mask.length : mask.indexOf(1)]]);
}

/** [N, H, A]. */
export function chunksTensor(chunks: readonly Float32Array[]): Tensor {
  return float32Tensor([chunks.length, H, A], joined(chunks));
}
