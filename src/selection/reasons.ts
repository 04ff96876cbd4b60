/** A decision in words, for a log or a person. */
import type { Samples } from './average.js';
import type { Refinement } from './descent.js';
import type { Choice, NamedRule } from './rules.js';

/** Why there are no energies. */
export interface Without {
  readonly without: 'deadline' | 'overload' | 'engine';
  /** What is known beyond that, for the reason. */
  readonly detail?: string;
}

const WITHOUT = {
  deadline: 'the time was up before there were energies',
  overload: 'the queue is full',
  engine: 'the engine gave no energies',
} as const;

export function whyWithout({ without, detail }: Without): string {
  return detail === undefined ? WITHOUT[without] : `${WITHOUT[without]} (${detail})`;
}

/** What a rule did, in words. */
export function told(rule: NamedRule, { origin, index, weights }: Choice, { batch, modes }: Samples): string {
  const used = weights.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0);
  const among = modes.count === 1 ? '' : `, all of one mode of ${modes.count}`;
  const which = `candidate ${index} of ${batch.candidates}`;
  switch (rule) {
    case 'energy':
    case 'refine':
      return `${which} has the lowest energy`;
    case 'consensus':
      return `${which} is the medoid`;
    case 'consensus_of_best':
      return `${which} is the medoid of those with the lowest energies`;
    case 'energy_mean':
    case 'consensus_mean':
      if (origin === 'candidate') return `${which} stands for its mode, which has no mean`;
      return `the ${rule === 'energy_mean' ? 'mean weighted by energy' : 'mean'} of ${used} candidates${among}`;
  }
}

export function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}

const ENDS = {
  steps: 'all steps were taken',
  lowest: 'no trial has a lower energy',
  time: 'the time was up',
  room: 'there was no room to go on',
  failed: 'the engine failed',
} as const satisfies Record<Refinement['end'], string>;

/** What became of the candidate. */
export function toldOfMove({ stepsTaken, startEnergy, energy, displacement, end }: Refinement): string {
  if (stepsTaken === 0) return `not moved: ${ENDS[end]}`;
  const steps = `${stepsTaken} ${stepsTaken === 1 ? 'step' : 'steps'}`;
  const fall = `its energy from ${figure(startEnergy)} to ${figure(energy)}`;
  return `moved by ${steps} of at most ${figure(displacement)} units, ${fall}: ${ENDS[end]}`;
}
