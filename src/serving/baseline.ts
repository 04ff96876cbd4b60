/** The policy's own candidate beside the best one, and whether the best may take its place. */
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import { askGate, type GateAnswer } from '../selection/decide.js';
import type { ServedModel } from './served-model.js';

export interface Baseline {
  readonly index: number;
  readonly energy: number;
  /** Candidates with a lower place in the ranking. */
  readonly rank: number;
  /** Its energy less the best one's. */
  readonly advantage: number;
  /** Whether the best may take its place; absent: no calibrated gate holds for these energies. */
  readonly gate?: GateAnswer;
}

/**
 * What compares the candidate `index` once there are energies [N] and their order [N]. `score`: what the gate is asked by, as it
 * stands now; undefined where the energies are not a calibration's.
 */
export function comparedBaseline(
  model: ServedModel,
  index: number,
  score: ChoiceScore | undefined,
): (energies: Float64Array, order: Int32Array) => Baseline {
  const gate = score === undefined ? undefined : gateOf(model, score);
  return (energies, order) => ({
    index,
    energy: energies[index]!,
    rank: order.indexOf(index),
    advantage: energies[index]! - energies[order[0]!]!,
    ...(gate && { gate: gate(energies, index) }),
  });
}

/** The gate in force, which reported outcomes may have closed; undefined: none. */
function gateOf(
  { calibration, decisions }: ServedModel,
  score: ChoiceScore,
): ((energies: Float64Array, baseline: number) => GateAnswer) | undefined {
  const terms = calibration.choosing(score);
  const gate = terms?.gate;
  if (gate === undefined) return undefined;
  const open = terms!.mayChoose && decisions.isOpen(terms!.version, gate.bound);
  return (energies, baseline) => {
    const answer = askGate(energies, baseline, gate);
    const best = energies.reduce((least, energy) => Math.min(least, energy), Infinity);
    // of more candidates than it is good for, the lowest may be one that it does not know
    const known = energies[answer.index] === best;
    return { ...answer, accepted: answer.accepted && open && known };
  };
}
