/**
 * `npm run demo:robot`: a robot of the demo's task against a running server. At each decision its policy samples candidates and
 * asks SelectAction which to execute; at the end of an episode ReportOutcome says how it went. What a policy server does
 * (docs/loop.md).
 */
import { Command } from 'commander';
import { tensorMessage } from '../src/client/messages.js';
import { EnergyClient } from '../src/client/energy-client.js';
import { floats32 } from '../src/tensor/tensor.js';
import { chunksTensor, inlineContext } from './closed-loop.js';
import { randomMap } from './hidden-states.js';
import { asSampled, Episode } from './moments.js';
import { FAULTS } from './policy.js';
import { execute } from './world.js';

interface Flags {
  readonly address: string;
  readonly model: string;
  readonly episodes: number;
  readonly candidates: number;
  readonly seed: number;
}

const program = new Command('demo:robot')
  .description("play episodes of the demo's task: SelectAction at each decision, ReportOutcome at the end")
  .option('--address <address>', 'of the server', '127.0.0.1:50051')
  .option('--model <name>', 'which model; empty: the default one', '')
  .option('--episodes <count>', 'to play', Number, 40)
  .option('--candidates <count>', 'that the policy samples at each decision', Number, 8)
  .option('--seed <number>', 'of scenes and policy', Number, 1);
program.parse();
const { address, model, episodes, candidates, seed } = program.opts<Flags>();

const options = { faults: FAULTS, seed: 4_000_037 * (1 + seed), candidates, propose: asSampled };
const client = await EnergyClient.open({ address });
const origins = new Map<string, number>();
const versions = new Set<string>();
let successes = 0;
try {
  const map = randomMap();
  for (let number = 0; number < episodes; number++) {
    const episode = new Episode(options, map, number);
    const episodeId = seed * 1_000_000 + number;
    let state = episode.start();
    let requestId = '';
    for (let decision = 0; state.outcome === 'running'; decision++) {
      const moment = await episode.moment(state, decision);
      const answer = await client.selectAction({
        ...{ model, episodeId, baselineIndex: 0, episodeStep: state.step, taskId: state.scene.colour },
        inline: inlineContext(moment),
        candidates: tensorMessage('candidates', chunksTensor(moment.candidates)),
      });
      requestId = answer.requestId;
      origins.set(answer.origin, (origins.get(answer.origin) ?? 0) + 1);
      versions.add(`${answer.model?.digest.slice(0, 12)}, calibration ${answer.model?.calibrationVersion}`);
      state = execute(state, floats32(answer.action!.data));
    }
    const success = state.outcome === 'success';
    if (success) successes++;
    await client.reportOutcome({ requestId, success, wholeEpisode: true });
  }
} finally {
  client.close();
}
const decisions = [...origins].map(([origin, count]) => `${count} ${origin.toLowerCase()}`).join(', ');
process.stdout.write(
  `${successes} of ${episodes} episodes succeeded\nexecuted: ${decisions}\nmodel: ${[...versions].join('; ')}\n`,
);
