/**
 * Planted verifiers: episodes of contexts whose candidates succeed or fail, and energies that tell success at a given AUROC.
 * Episodes differ in how hard they are and in how good the verifier is in them; contexts differ in hardness.
 */
import { levelsOf, pickCosts, type CandidateTable } from '../src/calibration/choice/candidate-table.js';
import { controlReport } from '../src/calibration/choice/control.js';
import { applyGate, baselineCosts, fitGate, type FittedGate } from '../src/calibration/choice/fit-gate.js';
import { judge } from '../src/calibration/choice/verdict.js';
import type { Verdict } from '../src/calibration/choice/choice-schema.js';
import { seededRandom, shuffle, type Random } from '../src/random.js';

export interface Verifier {
  readonly name: string;
  /** Separation of the energies of failure and success in standard deviations; AUROC = Phi(d / sqrt 2). */
  readonly separation: number;
  /** Share of candidates that fail and look better than anything. */
  readonly exploitable: number;
  /** What is right to say of it. */
  readonly verdict: Verdict['verdict'];
}

export const VERIFIERS: readonly Verifier[] = [
  { name: 'AUROC 0.5', separation: 0, exploitable: 0, verdict: 'must_not_choose' },
  { name: 'AUROC 0.6', separation: 0.358, exploitable: 0, verdict: 'may_choose_behind_gate' },
  { name: 'AUROC 0.8', separation: 1.19, exploitable: 0, verdict: 'may_choose_behind_gate' },
  {
    name: 'AUROC 0.8, 1 percent exploitable',
    separation: 1.19,
    exploitable: 0.01,
    verdict: 'may_choose_behind_gate',
  },
];

export interface Size {
  readonly episodes: number;
  /** Contexts an episode. */
  readonly contexts: number;
  /** N. */
  readonly candidates: number;
}

const TASKS = 5;

export function plantedTable(
  { separation, exploitable }: Verifier,
  size: Size,
  random: Random,
): CandidateTable {
  const { episodes, contexts, candidates: width } = size;
  const rows = episodes * contexts;
  const cost = new Float64Array(rows * width);
  const energy = new Float64Array(rows * width);
  const clusters = new Int32Array(rows);
  const tasks = new Float64Array(rows);
  let row = 0;
  for (let episode = 0; episode < episodes; episode++) {
    const ease = random.normal();
    const own = separation === 0 ? 0 : separation + 0.2 * random.normal();
    for (let i = 0; i < contexts; i++, row++) {
      clusters[row] = episode;
      tasks[row] = episode % TASKS;
      const chance = 1 / (1 + Math.exp(-(0.5 + ease + random.normal())));
      for (let k = 0; k < width; k++) {
        const exploit = random.uniform() < exploitable;
        const success = !exploit && random.uniform() < chance;
        cost[row * width + k] = success ? 0 : 1;
        energy[row * width + k] = exploit ? -8 + random.normal() : random.normal() - (success ? own : 0);
      }
    }
  }
  // there are no chunks: of candidates that could as well be each other, any consensus is one by lot
  const byLot = pickCosts({ rows, width, cost }, new Float64Array(rows * width));
  return {
    rows,
    width,
    clusters,
    tasks,
    cost,
    costKind: 'given',
    scores: { readout: energy, logit: energy },
    logDensity: undefined,
    rules: new Map(
      (['readout', 'logit'] as const).flatMap((score) =>
        (['consensus', 'consensus_mean', 'energy_mean', 'consensus_of_best'] as const).map((rule) => [
          `${score}/${rule}` as const,
          byLot,
        ]),
      ),
    ),
  };
}

/** The rows of some episodes. */
export function rowsOf(table: CandidateTable, episodes: ReadonlySet<number>): CandidateTable {
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row).filter((row) =>
    episodes.has(table.clusters[row]!),
  );
  const pick = (values: Float64Array): Float64Array => {
    const width = values.length / table.rows;
    const out = new Float64Array(rows.length * width);
    rows.forEach((row, i) => out.set(values.subarray(row * width, (row + 1) * width), i * width));
    return out;
  };
  return {
    ...table,
    rows: rows.length,
    clusters: rows.map((row) => table.clusters[row]!),
    tasks: table.tasks && pick(table.tasks),
    cost: pick(table.cost),
    scores: { readout: pick(table.scores.readout), logit: pick(table.scores.logit) },
    rules: new Map([...table.rules].map(([name, values]) => [name, pick(values)])),
  };
}

export interface BoundHeld {
  /** Splits whose gate's harm on the other episodes is at most alpha; those without a gate harm nobody. */
  readonly held: number;
  readonly gates: number;
  readonly splits: number;
  /** Means over the splits with a gate. */
  readonly coverage: number;
  readonly harm: number;
  readonly gain: number;
}

/** Gates fitted on `fitEpisodes` of a pool of episodes, their harm measured on all others, over random splits. */
export function boundHeld(
  verifier: Verifier,
  pool: Size,
  fitEpisodes: number,
  splits: number,
  seed: number,
): BoundHeld {
  const table = plantedTable(verifier, pool, seededRandom(seed, 'pool'));
  const random = seededRandom(seed, 'splits');
  let [held, gates, coverage, harm, gain] = [0, 0, 0, 0, 0];
  for (let split = 0; split < splits; split++) {
    const order = shuffle(
      Int32Array.from({ length: pool.episodes }, (_, i) => i),
      random,
    );
    const fitted = rowsOf(table, new Set(order.subarray(0, fitEpisodes)));
    const gate = fitGate(fitted, fitted.scores.readout);
    if (gate === undefined) {
      held++;
      continue;
    }
    const others = rowsOf(table, new Set(order.subarray(fitEpisodes)));
    const found = applyGate(others, others.scores.readout, gate);
    gates++;
    if (average(found.harm) <= gate.alpha) held++;
    coverage += average(found.chosen);
    harm += average(found.harm);
    gain += average(baselineCosts(others)) - average(found.cost);
  }
  return {
    held,
    gates,
    splits,
    coverage: coverage / gates,
    harm: harm / gates,
    gain: gain / gates,
  };
}

/** The verdict of one calibration: half of the episodes fitted, half reported on. */
export function verdictOf(
  verifier: Verifier,
  size: Size,
  seed: number,
): { verdict: Verdict; gate: FittedGate | undefined; heldOut: CandidateTable } {
  const table = plantedTable(verifier, size, seededRandom(seed, 'table'));
  const half = Math.floor(size.episodes / 2);
  const ids = Array.from({ length: size.episodes }, (_, i) => i);
  const fitted = rowsOf(table, new Set(ids.slice(0, half)));
  const heldOut = rowsOf(table, new Set(ids.slice(half)));
  const gate = fitGate(fitted, fitted.scores.readout);
  const stored = gate === undefined ? null : { ...gate, uncertifiedTasks: [...gate.uncertifiedTasks] };
  const gates = { readout: stored, logit: null, corrected: null };
  const experts = { n: 1, values: [0], at_least: [1] };
  const choice = controlReport(heldOut, { better: 'readout', tau: 1, experts, gates });
  const preference = { value: 1, low: 1, high: 1 };
  return { verdict: judge({ better: 'readout', choice, gates, preference }), gate, heldOut };
}

/** Success under the gate with 1, 2, 4, ... N candidates offered. */
export function gatedCurve(
  heldOut: CandidateTable,
  gate: FittedGate,
): { offered: number; success: number }[] {
  return levelsOf(heldOut.width).map((offered) => {
    const candidates = Math.min(offered, gate.candidates);
    const { cost } =
      candidates < 2
        ? { cost: baselineCosts(heldOut) }
        : applyGate(heldOut, heldOut.scores.readout, { ...gate, candidates });
    return { offered, success: 1 - average(cost) };
  });
}

function average(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
