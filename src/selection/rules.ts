/**
 * The rules by which one chunk is chosen out of a policy's samples; pure. What was measured of them in closed loops stands in
 * docs/selection.md.
 */
import { Fault, invalid } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import { rank } from '../model/energy.js';
import { average, oneHot, type Samples } from './average.js';
import { chunkOf, Metric, type ActionTraits } from './candidates.js';
import { distancesBetween, medoid, inOneGo } from './distances.js';
import { findModes } from './modes.js';

/** Rules that read energies stand behind the gate. */
export const ENERGY_RULES = ['energy', 'energy_mean', 'consensus_of_best'] as const;
export const CONSENSUS_RULES = ['consensus', 'consensus_mean'] as const;
export type EnergyRule = (typeof ENERGY_RULES)[number];
export type Rule = EnergyRule | (typeof CONSENSUS_RULES)[number];
/** What a request may ask for by name: `refine` moves on from the choice of `energy` (`descent.ts`), and no calibration looks for it. */
export type NamedRule = Rule | 'refine';

export function needsEnergies<Named extends NamedRule>(
  rule: Named,
): rule is Exclude<Named, (typeof CONSENSUS_RULES)[number]> {
  return !(CONSENSUS_RULES as readonly string[]).includes(rule);
}

/** A chunk, and which candidates it is made of. */
export interface Choice {
  readonly origin: 'candidate' | 'average';
  /** [H, A] row-major; of a candidate a view. */
  readonly chunk: Float32Array;
  /** The candidate, or the one nearest to the average. */
  readonly index: number;
  /** [N], sums to 1. */
  readonly weights: Float64Array;
}

/** Softness of `energy_mean`, in standard deviations of the energies. */
const SOFTNESS = 0.3;
/**
 * `consensus_of_best` hears this share of the candidates, and no fewer than that many: few, as voting among verified answers
 * is best with few (Cobbe et al. 2021, Training verifiers to solve math word problems, section 4.2), but enough for a middle.
 */
const BEST_SHARE = 0.25;
const FEWEST_BEST = 3;

/** Compares the candidates with each other, which no model is needed for. Errors: a baseline that is none of them. */
export function samplesOf(batch: ActionBatch, traits: ActionTraits, baseline: number): Samples {
  return inOneGo(comparing(batch, traits, baseline));
}

/** The same in parts of a few milliseconds: between two of them others may have their turn. */
export function* comparing(
  batch: ActionBatch,
  traits: ActionTraits,
  baseline: number,
): Generator<undefined, Samples> {
  if (!Number.isInteger(baseline) || baseline < 0 || baseline >= batch.candidates) {
    throw invalid('baseline_index', 'no such candidate', {
      found: String(baseline),
      wanted: `below ${batch.candidates}`,
    });
  }
  const metric = new Metric(batch, traits);
  const distances = yield* distancesBetween(batch, metric);
  return { batch, traits, metric, distances, modes: findModes(distances, batch.candidates), baseline };
}

/**
 * Applies a rule. Neither the order of the candidates nor a scale or an offset of the energies changes the chunk, ties aside:
 * of equals the baseline, else the first.
 *
 * @param energies [N], lower is better; only for rules that need them
 * Errors: energies that are missing, of another count, or not finite.
 */
export function applyRule(rule: Rule, samples: Samples, energies?: Float64Array): Choice {
  const everyone = Int32Array.from({ length: samples.batch.candidates }, (_, i) => i);
  switch (rule) {
    case 'consensus':
      return candidate(samples, medoid(samples.distances, everyone, samples.baseline));
    case 'consensus_mean':
      return mean(samples, new Float64Array(everyone.length).fill(1));
    case 'energy':
      return candidate(samples, lowest(checkedEnergies(energies, everyone.length), samples.baseline));
    case 'energy_mean':
      return mean(samples, softWeights(checkedEnergies(energies, everyone.length)));
    case 'consensus_of_best': {
      const order = rank(checkedEnergies(energies, everyone.length));
      const count = Math.max(FEWEST_BEST, Math.ceil(BEST_SHARE * order.length));
      return candidate(samples, medoid(samples.distances, order.subarray(0, count), samples.baseline));
    }
  }
}

/** Index of the lowest energy; of equals the baseline, else the first. */
function lowest(energies: Float64Array, baseline: number): number {
  let best = baseline;
  for (const [i, energy] of energies.entries()) if (energy < energies[best]!) best = i;
  return best;
}

function candidate({ batch }: Samples, index: number): Choice {
  return {
    origin: 'candidate',
    chunk: chunkOf(batch, index),
    index,
    weights: oneHot(batch.candidates, index),
  };
}

function mean(samples: Samples, weights: Float64Array): Choice {
  const { chunk, weights: shares, nearest, isMean } = average(samples, weights);
  return { origin: isMean ? 'average' : 'candidate', chunk, index: nearest, weights: shares };
}

/** softmax(-z / 0.3), z = (E - mean) / std, not normalised; equal energies weigh alike. [N] */
function softWeights(energies: Float64Array): Float64Array {
  const size = energies.reduce((most, energy) => Math.max(most, Math.abs(energy)), 0);
  if (size === 0) return energies.map(() => 1);
  // in units of the largest, so that no square overflows
  const scaled = energies.map((energy) => energy / size);
  const centre = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
  const variance = scaled.reduce((sum, value) => sum + (value - centre) ** 2, 0) / scaled.length;
  const least = scaled.reduce((a, b) => Math.min(a, b));
  if (scaled.every((value) => value === least) || variance === 0) return energies.map(() => 1);
  return scaled.map((value) => Math.exp(-(value - least) / (SOFTNESS * Math.sqrt(variance))));
}

/** [N]. Errors: none, of another count, or not finite. */
export function checkedEnergies(energies: Float64Array | undefined, candidates: number): Float64Array {
  if (energies?.length !== candidates) {
    throw new Fault('internal', 'a rule needs one energy for each candidate', {
      found: energies === undefined ? 'none' : String(energies.length),
      wanted: String(candidates),
    });
  }
  const bad = energies.findIndex((energy) => !Number.isFinite(energy));
  if (bad >= 0) throw invalid(`energy[${bad}]`, 'not finite', { found: String(energies[bad]) });
  return energies;
}
