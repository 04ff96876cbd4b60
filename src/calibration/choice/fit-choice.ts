/** What calibration fits for choosing among a policy's samples: the prior, a gate for each score, the best rule. */
import type { Score } from '../../model/energy.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { figure, isAboveZero } from '../report/figure.js';
import { scoresOf, type CandidateTable, type ChoiceScore } from './candidate-table.js';
import type { ChoiceFit, ChoiceReport, ChunkDensity, Verdict } from './choice-schema.js';
import { fitDensity } from './density.js';
import { fitGate } from './gate.js';

/** Experts' chunks that a density is fitted on, evenly spaced. */
const DENSITY_ROWS = 1024;

/** Of the experts' chunks of the rows `part`; null where the data hold no candidates that it could rank. */
export async function fitPrior(
  data: CalibrationData,
  part: Int32Array,
  clusters: Int32Array,
): Promise<ChunkDensity | null> {
  if (data.candidates < 2) return null;
  const size = data.steps * data.dims;
  const count = Math.min(part.length, DENSITY_ROWS);
  const rows = Int32Array.from({ length: count }, (_, i) => part[Math.floor((i * part.length) / count)]!);
  const values = new Float32Array(count * size);
  for (const [i, row] of rows.entries()) values.set(await data.actions(row), i * size);
  return fitDensity({ values, clusters: rows.map((row) => clusters[row]!) }) ?? null;
}

export function fitGates(table: CandidateTable, better: Score, tau: number): ChoiceFit['gates'] {
  const gateOf = (score: ChoiceScore): ChoiceFit['gates'][ChoiceScore] => {
    const scores = table.width < 2 ? undefined : scoresOf(table, score, better, tau);
    const gate = scores && fitGate(table, scores);
    return gate === undefined ? null : { ...gate, uncertifiedTasks: [...gate.uncertifiedTasks] };
  };
  return { readout: gateOf('readout'), logit: gateOf('logit'), corrected: gateOf('corrected') };
}

/** As they are served, energy rules stand behind the gate: rule, and its name in the report. */
const SERVED = [
  ['energy', 'gated'],
  ['energy_mean', 'gated_energy_mean'],
  ['consensus_of_best', 'gated_consensus_of_best'],
  ['consensus', 'consensus'],
  ['consensus_mean', 'consensus_mean'],
] as const;
const MODEL_FREE: readonly string[] = ['consensus', 'consensus_mean'];

/** The rule of least cost among those that beat the policy's own chunk beyond their interval; null: none does. */
export function bestRule(
  report: ChoiceReport,
  better: Score,
  verdict: Verdict['verdict'],
): ChoiceFit['best'] {
  const costOf = (name: string): number =>
    report.curves.find(({ rule }) => rule === name)!.costs.at(-1)!.value ?? Infinity;
  const [best] = SERVED.filter(([rule]) => verdict !== 'must_not_choose' || MODEL_FREE.includes(rule))
    .flatMap(([rule, name]) => {
      const gain = report.gains.find((each) => each.rule === name);
      return gain && isAboveZero(gain.over_first) ? [{ rule, name, gain }] : [];
    })
    .sort((a, b) => costOf(a.name) - costOf(b.name));
  if (best === undefined) return null;
  const { rule, gain } = best;
  const behind = MODEL_FREE.includes(rule) ? '' : ', behind its gate,';
  return {
    rule,
    score: better,
    finding: `on ${report.rows} held-out rows ${rule}${behind} saves ${figure(gain.over_first)} over the policy's own chunk, the most of the rules whose cost is known`,
  };
}
