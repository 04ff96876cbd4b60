/** Does the model see the context, respect its mask, and answer the same twice? */
import type { Engine } from '../../engine/engine.js';
import type { ModelCard } from '../../model/card.js';
import { visibleCount, type Ranges } from '../../model/context.js';
import { seededRandom } from '../../random.js';
import { ok, type Finding, type ProbeInputs } from './probe.js';
import { rmsDifference, ROUNDING, scoreProbes, share, spreads, type ProbeContext } from './measure.js';

/** Below this share of the spread between chunks a context does not change which chunk is best. */
const UNSEEN = 1e-3;
/** Differences between two runs of one request, as a share of the spread, that no rounding explains. */
const UNSTEADY = 1e-2;

export async function contextFindings(
  engine: Engine,
  card: ModelCard,
  inputs: ProbeInputs,
  seed: number,
): Promise<Finding[]> {
  const score = async (contexts: readonly ProbeContext[]): Promise<Float64Array> =>
    (await scoreProbes(engine, card, contexts, inputs.chunks, inputs)).logits;
  const base = await score(inputs.contexts);
  const { overChunks, overContexts, interaction, magnitude } = spreads(base, inputs.count);
  const floor = ROUNDING * (1 + magnitude);
  const yardstick = Math.max(overChunks, floor);

  const findings: Finding[] = [];
  const again = rmsDifference(await score(inputs.contexts), base) / yardstick;
  findings.push(
    again < UNSTEADY
      ? ok('repeatability', `two runs differ by ${share(again)} of the spread between chunks`)
      : {
          probe: 'repeatability',
          level: 'failure',
          measured: `two runs of one request differ by ${share(again)} of the spread between chunks`,
          means:
            'The same chunk in the same scene scores differently each time: the ranking is partly noise.',
          act: 'Dropout or another random op was left on: export the model in evaluation mode.',
        },
  );
  findings.push(contextFinding(overChunks, overContexts, interaction, floor));
  if (card.architecture === 'global_context') return findings;

  const halved = inputs.contexts.map(({ hidden, visible }) => ({ hidden, visible: firstHalf(visible) }));
  const change = rmsDifference(await score(halved), base);
  const hidden = change / yardstick;
  const measured = `hiding half of the tokens moves the score by ${share(hidden)} of the spread between chunks`;
  findings.push(
    hidden >= UNSEEN && change > floor
      ? ok('mask', measured)
      : {
          probe: 'mask',
          level: 'failure',
          measured,
          means:
            'What is masked makes no difference: either the mask does not reach the model or the tokens do not matter to it.',
          act: 'Check the mask against the export, and the attention weights; see the context probe.',
        },
  );
  findings.push(await leakFinding(score, halved, card, seed, yardstick));
  return findings;
}

function contextFinding(
  overChunks: number,
  overContexts: number,
  interaction: number,
  floor: number,
): Finding {
  const probe = 'context';
  const relative = interaction / Math.max(overChunks, floor);
  const measured = `contexts move a chunk's score by ${share(overContexts)}, its place among chunks by ${share(relative)} of the spread between chunks`;
  if (overContexts > floor && relative >= UNSEEN) return ok(probe, measured);
  return {
    probe,
    level: 'failure',
    measured,
    means:
      overContexts > floor
        ? 'The context shifts all chunks alike: the same chunk would win in every scene.'
        : 'The energy does not depend on the context: it ranks chunks without looking.',
    act: 'Check that hidden is the layer of the training, and the context path of the weights; see the layers probe.',
  };
}

/** Masked tokens full of noise must not change anything. */
async function leakFinding(
  score: (contexts: readonly ProbeContext[]) => Promise<Float64Array>,
  halved: readonly ProbeContext[],
  card: ModelCard,
  seed: number,
  yardstick: number,
): Promise<Finding> {
  const random = seededRandom(seed, 'leak');
  const noisy = halved.map(({ hidden, visible }) => {
    const changed = hidden.map(() => 10 * random.normal());
    for (const [start, end] of visible) {
      const [from, to] = [start * card.state_dim, end * card.state_dim];
      changed.set(hidden.subarray(from, to), from);
    }
    return { hidden: changed, visible };
  });
  const leak = rmsDifference(await score(noisy), await score(halved)) / yardstick;
  const measured = `noise in masked tokens moves the score by ${share(leak)} of the spread between chunks`;
  if (leak < UNSTEADY) return ok('mask holds', measured);
  return {
    probe: 'mask holds',
    level: 'failure',
    measured,
    means: "Masked tokens reach the energy: it may have seen the policy's own action tokens.",
    act: 'The engine ignores the mask: report this with the provider and version.',
  };
}

/** The first half of the visible tokens, at least two. */
function firstHalf(visible: Ranges): [number, number][] {
  let left = Math.max(2, Math.floor(visibleCount(visible) / 2));
  const kept: [number, number][] = [];
  for (const [start, end] of visible) {
    const take = Math.min(left, end - start);
    if (take > 0) kept.push([start, start + take]);
    left -= take;
  }
  return kept;
}
