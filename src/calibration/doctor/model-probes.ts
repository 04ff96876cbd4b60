/**
 * Probes of the model itself: dead and exploding layers, from the weights alone; and whether the readout leaves differences between
 * chunks, measured by the temperature in force.
 *
 * Size: PyTorch starts a Linear layer uniform in ±1/sqrt(fan_in), a standard deviation of 1/sqrt(3 fan_in); training moves
 * that by small factors, not by thousands. Dead ReLU units, exactly: behind a LayerNorm with gain g and shift s the input is
 * g*z + s with |z| <= sqrt(n), so a unit w, b never fires when  w.s + b + |w*g| sqrt(n) <= 0.
 */
import type { ModelCard } from '../../model/card.js';
import { isSaturated } from '../../model/readout.js';
import { weightValues, type Weights } from '../../model/weights.js';
import { changedOrder } from '../metrics/order.js';
import { share, spreads, type ProbeScores } from './measure.js';
import { ok, type Finding } from './probe.js';

const DEAD_BELOW = 1e-3;
const EXPLODED_ABOVE = 100;
const DEAD_UNITS = 0.5;

/** One finding for all layers; each that is not well is named. */
export function layerFinding(weights: Weights, card: ModelCard): Finding {
  const faults: string[] = [];
  let layers = 0;
  for (const [name, { shape }] of weights) {
    if (!name.endsWith('weight')) continue;
    layers++;
    const values = weightValues(weights, name);
    const isNorm = shape.length === 1;
    const usual = isNorm ? 1 : 1 / Math.sqrt(3 * shape[1]!);
    const size = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) / usual;
    if (size < DEAD_BELOW) faults.push(`${name} is dead (${size.toExponential(1)} of its usual size)`);
    else if (size > EXPLODED_ABOVE)
      faults.push(`${name} has exploded (${size.toPrecision(2)} times its usual size)`);
  }
  if (card.activation === 'relu') faults.push(...deadUnits(weights));
  if (faults.length === 0) return ok('layers', `${layers} weights of usual size, no layer of dead units`);
  return {
    probe: 'layers',
    level: 'failure',
    measured: faults.join('; '),
    means: 'What passes through a dead layer is lost to the energy; an exploded one drowns everything else.',
    act: 'Take another checkpoint; check the learning rate, the warm-up and that all layers were saved.',
  };
}

/** Linear layers behind a LayerNorm and before a ReLU, most of whose units can never fire. */
function deadUnits(weights: Weights): string[] {
  const faults: string[] = [];
  for (const name of weights.keys()) {
    const linear = /^(.*\.)(fc1|ffn\.1)\.weight$/.exec(name);
    if (linear === null) continue;
    const norm = `${linear[1]}${linear[2] === 'fc1' ? 'layer_norm1' : 'ffn.0'}`;
    if (!weights.has(`${norm}.weight`)) continue;
    const [units, inputs] = weights.get(name)!.shape as [number, number];
    const w = weightValues(weights, name);
    const bias = weightValues(weights, name.replace(/weight$/, 'bias'));
    const gain = weightValues(weights, `${norm}.weight`);
    const shift = weightValues(weights, `${norm}.bias`);
    let dead = 0;
    for (let unit = 0; unit < units; unit++) {
      let constant = bias[unit]!;
      let squares = 0;
      for (let i = 0; i < inputs; i++) {
        const weight = w[unit * inputs + i]!;
        constant += weight * shift[i]!;
        squares += (weight * gain[i]!) ** 2;
      }
      if (constant + Math.sqrt(squares * inputs) <= 0) dead++;
    }
    if (dead > DEAD_UNITS * units) faults.push(`${dead} of ${units} units of ${name} can never fire`);
  }
  return faults;
}

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
