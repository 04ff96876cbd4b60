/** What calibration fits for choosing among a policy's samples: the prior, a gate for each score, the best rule. */
import type { Score } from '../../model/energy.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { figure, isAboveZero } from '../report/figure.js';
import { scoresOf, type CandidateTable, type ChoiceScore } from './candidate-table.js';
import type { ChoiceFit, ChoiceReport, ChunkDensity, Verdict } from './choice-schema.js';
import { fitDensity } from './density.js';
import { fitGate } from './fit-gate.js';

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

/** As they are served, energy rules stand behind the gate: rule, its name in the report, whether the prior is corrected for. */
const SERVED = [
  { rule: 'energy', name: 'gated', isCorrected: false },
  { rule: 'energy', name: 'gated_corrected', isCorrected: true },
  { rule: 'energy_mean', name: 'gated_energy_mean', isCorrected: false },
  { rule: 'consensus_of_best', name: 'gated_consensus_of_best', isCorrected: false },
  { rule: 'consensus', name: 'consensus', isCorrected: false },
  { rule: 'consensus_mean', name: 'consensus_mean', isCorrected: false },
] as const;
const MODEL_FREE: readonly string[] = ['consensus', 'consensus_mean'];

/**
 * The rule of least cost among those that beat the policy's own chunk beyond their interval; null: none does. The corrected score
 * takes part where its pick costs less than the better score's beyond the interval.
 */
export function bestRule(
  report: ChoiceReport,
  better: Score,
  verdict: Verdict['verdict'],
): ChoiceFit['best'] {
  const costOf = (name: string): number =>
    report.curves.find(({ rule }) => rule === name)!.costs.at(-1)!.value ?? Infinity;
  const correcting = report.corrected_gain !== null && isAboveZero(report.corrected_gain);
  const [best] = SERVED.filter(({ rule }) => verdict !== 'must_not_choose' || MODEL_FREE.includes(rule))
    .filter(({ isCorrected }) => correcting || !isCorrected)
    .flatMap((served) => {
      const gain = report.gains.find((each) => each.rule === served.name);
      return gain && isAboveZero(gain.over_first) ? [{ ...served, gain }] : [];
    })
    .sort((a, b) => costOf(a.name) - costOf(b.name));
  if (best === undefined) return null;
  const { rule, gain, isCorrected } = best;
  const behind = MODEL_FREE.includes(rule) ? '' : ', behind its gate,';
  const by = isCorrected ? ' by the prior-corrected score' : '';
  return {
    rule,
    score: isCorrected ? 'corrected' : better,
    finding: `on ${report.rows} held-out rows ${rule}${by}${behind} saves ${figure(gain.over_first)} over the policy's own chunk, the most of the rules whose cost is known`,
  };
}
