/** During the pass: what each row's candidates cost, score and would have been chosen by, in a few numbers a row. */
import type { ActionBatch } from '../../model/actions.js';
import type { ModelCard } from '../../model/card.js';
import { energiesFromRaw, type Score } from '../../model/energy.js';
import { actionTraits, chunkOf } from '../../selection/candidates.js';
import {
  applyRule,
  CONSENSUS_RULES,
  ENERGY_RULES,
  needsEnergies,
  samplesOf,
  type Rule,
} from '../../selection/rules.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { levelsOf, type CandidateTable } from './candidate-table.js';
import type { ChunkDensity } from './choice-schema.js';
import { logDensities } from './density.js';

export interface ChoiceRecorderOptions {
  readonly card: ModelCard;
  /** Action units by dim, [A]. */
  readonly units: Float64Array;
  readonly density: ChunkDensity | null;
}

const SCORES: readonly Score[] = ['readout', 'logit'];
/** A rule with n of N candidates is applied to this many disjoint groups of n at most; their mean is kept. */
const MOST_GROUPS = 4;

/** Largest difference in action units of the file between a mean and a candidate that is that mean: rounding in float32. */
const SAME = 1e-5;

export class ChoiceRecorder {
  readonly #data: CalibrationData;
  readonly #options: ChoiceRecorderOptions;
  readonly #rows: Int32Array;
  readonly #clusters: Int32Array;
  readonly #levels: number[];
  readonly #cost: Float64Array;
  readonly #scores: Record<Score, Float64Array>;
  readonly #logDensity: Float64Array | undefined;
  readonly #rules = new Map<`${Score}/${Rule}`, Float64Array>();

  /** `rows` in the order in which they are recorded, `clusters` [n] the cluster of each. */
  constructor(data: CalibrationData, rows: Int32Array, clusters: Int32Array, options: ChoiceRecorderOptions) {
    const size = rows.length * data.candidates;
    this.#data = data;
    this.#rows = rows;
    this.#clusters = clusters;
    this.#options = options;
    this.#levels = levelsOf(data.candidates);
    this.#cost = new Float64Array(size);
    this.#scores = { readout: new Float64Array(size), logit: new Float64Array(size) };
    this.#logDensity = options.density === null ? undefined : new Float64Array(size);
    for (const score of SCORES) {
      for (const rule of [...ENERGY_RULES, ...CONSENSUS_RULES]) {
        this.#rules.set(`${score}/${rule}`, new Float64Array(rows.length * this.#levels.length));
      }
    }
  }

  /**
   * Row `at` of the order. `chunks` [N, H, A], `raw` [1, N, H], `costs` [N] where the data give them, `expert` [H, A] whose
   * distance stands in for them otherwise.
   */
  record(
    at: number,
    chunks: Float32Array,
    raw: Float32Array,
    expert: Float32Array,
    costs: Float64Array | undefined,
  ): void {
    const { card, density } = this.#options;
    const { candidates: N, steps } = this.#data;
    const { readout, pool } = card;
    const size = chunks.length / N;
    const distance = (chunk: Float32Array): number => this.#distance(chunk, expert);
    const own =
      costs ??
      Float64Array.from({ length: N }, (_, i) => distance(chunks.subarray(i * size, (i + 1) * size)));
    this.#cost.set(own, at * N);
    for (const score of SCORES) {
      this.#scores[score].set(energiesFromRaw(raw, steps, { readout, pool, score }).energies, at * N);
    }
    if (density !== null) this.#logDensity!.set(logDensities(density, chunks, this.#clusters[at]), at * N);
    this.#applyRules(at, { values: chunks, candidates: N, steps }, own, costs ? undefined : distance);
  }

  table(): CandidateTable {
    const { task, candidates, hasCost } = this.#data;
    return {
      rows: this.#rows.length,
      width: candidates,
      clusters: this.#clusters,
      tasks: task && Float64Array.from(this.#rows, (row) => task[row]!),
      cost: this.#cost,
      costKind: hasCost ? 'given' : 'distance_to_expert',
      scores: this.#scores,
      logDensity: this.#logDensity,
      rules: this.#rules,
    };
  }

  #applyRules(
    at: number,
    { values, candidates: N, steps }: ActionBatch,
    costs: Float64Array,
    distance: ((chunk: Float32Array) => number) | undefined,
  ): void {
    const size = values.length / N;
    const traits = actionTraits(this.#options.card);
    this.#levels.forEach((n, level) => {
      const groups = Math.min(MOST_GROUPS, Math.floor(N / n));
      for (let group = 0; group < groups; group++) {
        const [from, to] = [group * n, (group + 1) * n];
        const batch = { values: values.subarray(from * size, to * size), candidates: n, steps };
        const samples = samplesOf(batch, traits, 0);
        for (const [name, kept] of this.#rules) {
          const [score, rule] = name.split('/') as [Score, Rule];
          const energies = this.#scores[score].subarray(at * N + from, at * N + to);
          const choice = needsEnergies(rule) ? applyRule(rule, samples, energies) : applyRule(rule, samples);
          const isCandidate =
            choice.origin === 'candidate' || isSame(choice.chunk, chunkOf(batch, choice.index));
          // given costs are those of the candidates; another chunk's is known by its distance alone
          const cost = isCandidate ? costs[from + choice.index]! : (distance?.(choice.chunk) ?? NaN);
          kept[at * this.#levels.length + level]! += cost / groups;
        }
      }
    });
  }

  /** Root mean square over steps and dims, in action units. */
  #distance(chunk: Float32Array, expert: Float32Array): number {
    const { units } = this.#options;
    let squares = 0;
    for (let i = 0; i < chunk.length; i++) {
      squares += ((chunk[i]! - expert[i]!) / units[i % units.length]!) ** 2;
    }
    return Math.sqrt(squares / chunk.length);
  }
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, i) => Math.abs(value - b[i]!) <= SAME * Math.max(1, Math.abs(value)));
}
