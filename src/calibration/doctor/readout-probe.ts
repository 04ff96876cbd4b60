/** Does the readout leave differences between chunks, measured by the card's temperature? */
import type { ModelCard } from '../../model/card.js';
import { isSaturated } from '../../model/readout.js';
import { ok, type Finding } from './finding.js';
import { share, spreads, type ProbeScores } from './measure.js';

const MUCH_SATURATED = 0.5;
const SOME_SATURATED = 0.1;
/** A spread of 0.01 at tau 0.5: the softmax is then flat to one percent. */
const NO_PREFERENCE = 0.02;
/** Raw values beyond this come from a head that has run away. */
const EXPLODED = 1e3;

export function readoutFindings({ raw, energies, chunks }: ProbeScores, card: ModelCard): Finding[] {
  let flat = 0;
  let largest = 0;
  for (const value of raw) {
    if (isSaturated(card.readout, value)) flat++;
    largest = Math.max(largest, Math.abs(value));
  }
  const saturated = flat / raw.length;
  const { overChunks } = spreads(energies, chunks);
  const findings: Finding[] = [];
  const measured = `${(100 * saturated).toFixed(0)} percent of per-step values lie where the ${card.readout.kind} readout is flat, largest |r| ${largest.toPrecision(3)}`;
  if (saturated > SOME_SATURATED) {
    findings.push({
      probe: 'saturation',
      level: saturated > MUCH_SATURATED ? 'failure' : 'warning',
      measured,
      means:
        'Chunks that the model tells apart end at nearly the same energy: small differences decide, or none.',
      act: 'Rank by the logit score, and calibrate to see which score is better.',
    });
  } else if (largest > EXPLODED) {
    findings.push({
      probe: 'saturation',
      level: 'failure',
      measured,
      means: 'The prediction head has run away: one step can outweigh all others.',
      act: 'Take an earlier checkpoint; see the layers probe.',
    });
  } else findings.push(ok('saturation', measured));
  const ratio = overChunks / card.tau;
  const spread = `energies of different chunks spread by ${share(overChunks)}, ${share(ratio)} of tau ${card.tau}`;
  findings.push(
    ratio >= NO_PREFERENCE
      ? ok('spread', spread)
      : {
          probe: 'spread',
          level: 'warning',
          measured: spread,
          means:
            'At this temperature the probabilities of all chunks are nearly equal: the model states no preference.',
          act: 'Calibrate, which fits tau; or look at the logit score.',
        },
  );
  return findings;
}
