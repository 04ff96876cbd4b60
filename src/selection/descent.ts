/**
 * The rule `refine`: a chunk moved down the gradient of its energy by a few short steps; pure. Steepest descent with a
 * backtracking line search (J. Nocedal and S. Wright, Numerical Optimization, 2006, chapter 3), in units of the dims and
 * inside a box. All trials of a step are evaluated at once, which costs an engine little more than one of them.
 *
 * Symbols: H steps of a chunk, A action dims, E its energy.
 */
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';

export interface RefineSettings {
  /** Steps at most. */
  readonly steps: number;
  /** Root mean square of the longest trial of a step over the values that may move, in units. */
  readonly stepLength: number;
  /** No value ends further than this from where it began, in units. */
  readonly trustRadius: number;
  /** Whether each dim may move, [A]. */
  readonly movable: readonly boolean[];
}

/** As it was asked for; 0 and absent: the default. */
export interface RefineRequest {
  readonly steps?: number;
  readonly stepLength?: number;
  readonly trustRadius?: number;
  /** Indices of the dims that may move; empty: all that can. */
  readonly dims?: readonly number[];
}

const DEFAULTS = { steps: 3, stepLength: 0.05, trustRadius: 0.2 } as const;
/** A step is a call to the engine, and what far more of them would find lies outside any radius to be trusted. */
const MOST_STEPS = 16;
/** Ten standard deviations, or five times the range of a normalised action: beyond it the model knows nothing. */
const MOST_UNITS = 10;

/** Lengths of a step's trials. */
const TRIALS = [1, 1 / 2, 1 / 4, 1 / 8] as const;

/** Errors name the field below `refinement`. */
export function refineSettings(
  { steps = 0, stepLength = 0, trustRadius = 0, dims = [] }: RefineRequest,
  card: ModelCard,
): RefineSettings {
  if (!(Number.isInteger(steps) && steps >= 0 && steps <= MOST_STEPS)) {
    throw invalid('refinement.steps', 'not a number of steps', {
      found: String(steps),
      wanted: `from 1 to ${MOST_STEPS}, or 0 for ${DEFAULTS.steps}`,
    });
  }
  return {
    steps: steps === 0 ? DEFAULTS.steps : steps,
    stepLength: inUnits('step_length', stepLength, DEFAULTS.stepLength),
    trustRadius: inUnits('trust_radius', trustRadius, DEFAULTS.trustRadius),
    movable: movableDims(dims, card),
  };
}

function inUnits(name: string, value: number, normally: number): number {
  if (value === 0) return normally;
  if (value > 0 && value <= MOST_UNITS) return value;
  throw invalid(`refinement.${name}`, 'not a length', {
    found: String(value),
    wanted: `above 0, at most ${MOST_UNITS} units, or 0 for ${normally}`,
  });
}

function movableDims(asked: readonly number[], { action_dim: dims, actions }: ModelCard): boolean[] {
  const fixed = new Map<number, string>((actions.derived ?? []).map((dim) => [dim, 'follows from others']));
  if (actions.gripper) fixed.set(actions.gripper.index, 'is the gripper');
  if (asked.length === 0) return Array.from({ length: dims }, (_, dim) => !fixed.has(dim));
  const movable = new Array<boolean>(dims).fill(false);
  for (const [place, dim] of asked.entries()) {
    const field = `refinement.dims[${place}]`;
    if (!(dim < dims)) {
      throw invalid(field, 'no such dim', { found: String(dim), wanted: `below ${dims}` });
    }
    if (fixed.has(dim)) {
      throw invalid(field, 'a dim that never moves', {
        found: `${dim}, which by the card ${fixed.get(dim)}`,
        wanted: 'dims that may move',
        mend: 'Leave it out',
      });
    }
    if (movable[dim]!) throw invalid(field, 'named twice', { found: String(dim), wanted: 'each dim once' });
    movable[dim] = true;
  }
  return movable;
}

/** Why it went no further: all steps taken; no trial has a lower energy; or what kept the engine from answering. */
export type RefineEnd = 'steps' | 'lowest' | 'time' | 'room' | 'failed';

export interface Refinement {
  /** [H, A], with no step taken the chunk that it began with. */
  readonly chunk: Float32Array;
  readonly startEnergy: number;
  /** Below `startEnergy` once a step was taken. */
  readonly energy: number;
  readonly stepsTaken: number;
  /** The largest move of any value, in units. */
  readonly displacement: number;
  readonly end: RefineEnd;
}

/** Chunks to be evaluated. */
export interface Trials {
  /** [N, H, A] row-major. */
  readonly values: Float32Array;
  readonly candidates: number; // N
  readonly steps: number; // H
  /** Whether dE/dA is wanted beside the energies. */
  readonly gradient: boolean;
}

export interface DescentStart {
  /** [H, A], inside the card's bounds. */
  readonly chunk: Float32Array;
  readonly energy: number;
  /** Length of a unit in each dim, [A]; 0: the dim does not move. */
  readonly units: Float64Array;
  readonly bounds: ModelCard['actions']['bounds'];
}

/** `next()` and `learn()` by turns, until `next()` has nothing more to ask; `result` at any time. */
export class Descent {
  readonly #settings: RefineSettings;
  readonly #start: Float32Array;
  readonly #startEnergy: number;
  /** By value, [H, A]; 0: it does not move. */
  readonly #units: Float64Array;
  /** The box, [H, A]. */
  readonly #low: Float32Array;
  readonly #high: Float32Array;
  #chunk: Float32Array;
  #energy: number;
  /** Of `#chunk`; undefined before the first answer. */
  #gradient: Float32Array | undefined;
  #asked: Trials | undefined;
  #taken = 0;
  #end: RefineEnd | undefined;

  constructor({ chunk, energy, units, bounds }: DescentStart, settings: RefineSettings) {
    const { movable, trustRadius } = settings;
    const dims = units.length;
    this.#settings = settings;
    this.#start = this.#chunk = chunk.slice();
    this.#startEnergy = this.#energy = energy;
    this.#units = Float64Array.from(chunk, (_, k) => (movable[k % dims]! ? units[k % dims]! : 0));
    const limit = (k: number, side: 'low' | 'high', reach: number): number => {
      const bound = bounds?.[side][k % dims];
      if (bound === undefined) return reach;
      return side === 'low' ? Math.max(bound, reach) : Math.min(bound, reach);
    };
    this.#low = chunk.map((value, k) => -below(-limit(k, 'low', value - trustRadius * this.#units[k]!)));
    this.#high = chunk.map((value, k) => below(limit(k, 'high', value + trustRadius * this.#units[k]!)));
  }

  /** What to evaluate next; undefined when it has ended. */
  next(): Trials | undefined {
    const { steps, stepLength } = this.#settings;
    if (this.#end !== undefined) return undefined;
    const H = this.#start.length / this.#settings.movable.length;
    if (this.#gradient === undefined) {
      if (this.#units.every((unit) => unit === 0)) return this.#ended('lowest');
      return (this.#asked = { values: this.#chunk, candidates: 1, steps: H, gradient: true });
    }
    if (this.#taken === steps) return this.#ended('steps');
    const direction = this.#direction(this.#gradient);
    if (direction === undefined) return this.#ended('lowest');
    const size = this.#chunk.length;
    const values = new Float32Array(TRIALS.length * size);
    for (const [trial, share] of TRIALS.entries()) {
      for (let k = 0; k < size; k++) {
        const moved = this.#chunk[k]! + share * stepLength * direction[k]! * this.#units[k]!;
        values[trial * size + k] = Math.min(this.#high[k]!, Math.max(this.#low[k]!, moved));
      }
    }
    const gradient = this.#taken + 1 < steps; // the last chunk goes nowhere
    return (this.#asked = { values, candidates: TRIALS.length, steps: H, gradient });
  }

  /** @param energies [N], and `gradients` [N, H, A] where they were wanted, of what `next()` asked for */
  learn(energies: Float64Array, gradients: Float32Array | undefined): void {
    const size = this.#chunk.length;
    const isFirst = this.#gradient === undefined;
    let best = isFirst ? 0 : -1;
    let least = this.#energy;
    if (!isFirst) {
      for (const [trial, energy] of energies.entries()) if (energy < least) [best, least] = [trial, energy];
      if (best < 0) return void this.#ended('lowest');
      this.#taken++;
      this.#energy = least;
      this.#chunk = this.#asked!.values.slice(best * size, (best + 1) * size);
    }
    // without one the next turn has nowhere to go
    this.#gradient = gradients?.slice(best * size, (best + 1) * size) ?? new Float32Array(size);
  }

  /** What has come of it. `stopped`: why it ends here, where nothing of its own has ended it. */
  result(stopped: RefineEnd = 'steps'): Refinement {
    let displacement = 0;
    for (const [k, unit] of this.#units.entries()) {
      if (unit === 0) continue;
      displacement = Math.max(displacement, Math.abs(this.#chunk[k]! - this.#start[k]!) / unit);
    }
    return {
      chunk: this.#chunk,
      startEnergy: this.#startEnergy,
      energy: this.#energy,
      stepsTaken: this.#taken,
      displacement,
      end: this.#end ?? stopped,
    };
  }

  /**
   * Downhill in units, [H, A], of root mean square 1 over the values that may move; a value at its wall does not push
   * against it. Undefined where E is flat.
   */
  #direction(gradient: Float32Array): Float64Array | undefined {
    const downhill = Float64Array.from(gradient, (slope, k) => {
      const atWall = this.#chunk[k] === (slope > 0 ? this.#low[k] : this.#high[k]);
      return atWall ? 0 : -slope * this.#units[k]!;
    });
    const largest = downhill.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest === 0) return undefined;
    const movable = this.#units.reduce((count, unit) => count + (unit > 0 ? 1 : 0), 0);
    // in units of the largest, so that no square vanishes
    const squares = downhill.reduce((sum, value) => sum + (value / largest) ** 2, 0);
    const rms = largest * Math.sqrt(squares / movable);
    return downhill.map((value) => value / rms);
  }

  #ended(end: RefineEnd): undefined {
    this.#end = end;
    return undefined;
  }
}

/** The largest float32 that is not above `value`. */
function below(value: number): number {
  const rounded = Math.fround(value);
  if (rounded <= value) return rounded;
  const bits = new Int32Array(Float32Array.of(rounded).buffer);
  if (rounded === 0) return -(2 ** -149);
  bits[0]! += rounded > 0 ? -1 : 1;
  return new Float32Array(bits.buffer)[0]!;
}
