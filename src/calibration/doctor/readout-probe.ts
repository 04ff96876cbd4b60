/** Does the readout leave differences between chunks, measured by the temperature in force? */
import type { ModelCard } from '../../model/card.js';
import { isSaturated } from '../../model/readout.js';
import { changedOrder } from '../metrics/order.js';
import { ok, type Finding } from './finding.js';
import { share, spreads, type ProbeScores } from './measure.js';

/** A spread of 0.01 at tau 0.5: the softmax is then flat to one percent. */
const NO_PREFERENCE = 0.02;

/**
 * One rule: at the temperature that serves. What the temperature flattens, a calibration mends, and the order of chunks is not
 * touched, so it is never a failure.
 */
export function spreadFinding({ energies, chunks }: ProbeScores, tau: number, isFitted: boolean): Finding {
  const { overChunks } = spreads(energies, chunks);
  const ratio = overChunks / tau;
  const whose = isFitted ? 'the fitted tau' : "the card's tau";
  const measured = `energies of different chunks spread by ${share(overChunks)}, ${share(ratio)} of ${whose} ${tau.toPrecision(3)}`;
  if (ratio >= NO_PREFERENCE) return ok('spread', measured);
  return {
    probe: 'spread',
    level: 'warning',
    measured,
    means:
      'At this temperature the probabilities of all chunks are nearly equal: the model states no preference.',
    act: isFitted
      ? 'On its own data no temperature was better: rank by it only where the verdict allows it.'
      : 'Calibrate, which fits tau; or look at the logit score.',
  };
}

/** Without data: how much of the order the readout changes. Which order is right, only data can tell. */
export function saturationWithoutData(
  { raw, energies, logits, chunks }: ProbeScores,
  card: ModelCard,
): Finding {
  const probe = 'saturation';
  const flat =
    raw.reduce((count, value) => count + (isSaturated(card.readout, value) ? 1 : 0), 0) / raw.length;
  const byContext = changedOrder(energies, logits, chunks);
  const changed = byContext.reduce((sum, value) => sum + value, 0) / byContext.length;
  const measured = `${(100 * flat).toFixed(0)} percent of per-step values lie where the ${card.readout.kind} readout is flat; it orders ${(100 * changed).toFixed(1)} percent of the pairs of chunks unlike the logit`;
  if (changed === 0) return ok(probe, measured);
  return {
    probe,
    level: 'note',
    measured,
    means: 'Whether order is lost by that, only data can tell.',
    act: 'Run the doctor with data.',
  };
}
