/**
 * The control: what would the robot have paid for the energy's pick, beside a random pick, the policy's first, the consensus
 * and the oracle, all with the same candidates in the same contexts? Differences are paired by row, intervals by episode.
 */
import type { Score } from '../../model/energy.js';
import { CONSENSUS_RULES, ENERGY_RULES } from '../../selection/rules.js';
import { expertPValue, type ExpertSample } from '../fit/experts.js';
import {
  type Statistic,
  type WeightedValues,
  correlation,
  intervals,
  real,
  share,
} from '../metrics/intervals.js';
import { rankCorrelation } from '../metrics/order.js';
import { meanOf, weightedColumnMeans, weightedMean } from '../metrics/weighted.js';
import { reportFigure, type ReportFigure } from '../report/figure.js';
import { levelsOf, pickCosts, scoresOf, type CandidateTable, type ChoiceScore } from './candidate-table.js';
import { CHOICE_SCORES, type ChoiceFit, type ChoiceReport } from './choice-schema.js';
import { applyGate, baselineCosts } from './fit-gate.js';

export interface ControlOptions {
  readonly better: Score;
  /** Temperature of the better score, for the corrected one. */
  readonly tau: number;
  /** Experts of the better score, for p-values. */
  readonly experts: ExpertSample;
  readonly gates: ChoiceFit['gates'];
}

/** Rules as the report names them; `gated` is the better score's pick behind its gate. */
export type ControlRule = string;

/** Errors: none; what is not defined is null. */
export function controlReport(table: CandidateTable, options: ControlOptions): ChoiceReport {
  const { better, gates } = options;
  const levels = levelsOf(table.width);
  const costs = ruleCosts(table, options);
  const last = levels.length - 1;
  const atMost = (rule: string): Float64Array => column(costs.get(rule)!, levels.length, last);
  const [random, first, consensus, oracle] = ['random', 'first', 'consensus', 'oracle'].map(atMost);
  const gains = [...costs.keys()]
    .filter((rule) => !['random', 'first', 'oracle'].includes(rule))
    .map((rule) => {
      const own = atMost(rule);
      const figures = intervals(table.clusters, {
        over_random: real(meanDifference(random!, own)),
        over_first: real(meanDifference(first!, own)),
        over_consensus: real(meanDifference(consensus!, own)),
        regret_recovered: real(recovered(random!, own, oracle!)),
      });
      return {
        rule,
        over_random: reportFigure(figures.over_random[0]!),
        over_first: reportFigure(figures.over_first[0]!),
        over_consensus: reportFigure(figures.over_consensus[0]!),
        regret_recovered: reportFigure(figures.regret_recovered[0]!),
      };
    });
  const ones = new Float64Array(table.rows).fill(1);
  const curve = weightedColumnMeans(costs.get(better)!, levels.length, ones);
  const peak = curve.indexOf(Math.min(...curve));
  const one = (statistic: Statistic): ReportFigure =>
    reportFigure(intervals(table.clusters, { figure: statistic }).figure[0]!);
  const corrected = costs.get('corrected');
  return {
    cost: table.costKind,
    rows: table.rows,
    candidates: table.width,
    levels,
    decisive: one(share(meanOf(decisiveRows(table)))),
    curves: [...costs].map(([rule, values]) => ({
      rule,
      costs: intervals(table.clusters, {
        curve: real((w) => weightedColumnMeans(values, levels.length, w)),
      }).curve.map(reportFigure),
    })),
    gains,
    rank_correlation: CHOICE_SCORES.flatMap((score) => {
      const scores = scoresOf(table, score, better, options.tau);
      return scores === undefined
        ? []
        : [{ score, value: one(correlation(meanOf(rankCorrelations(scores, table.cost, table.width)))) }];
    }),
    peak: {
      candidates: levels[peak]!,
      loss_at_most: one(
        real(meanDifference(atMost(better), column(costs.get(better)!, levels.length, peak))),
      ),
    },
    corrected_gain:
      corrected === undefined
        ? null
        : one(real(meanDifference(atMost(better), column(corrected, levels.length, last)))),
    readout_loss: one(real(meanDifference(atMost('readout'), atMost('logit')))),
    gates: CHOICE_SCORES.flatMap((score) => {
      const gate = gates[score];
      return gate === null ? [] : [gateReport(table, score, gate, options)];
    }),
  };
}

/** Cost of each rule's pick at each level, [n, levels]; without the rules whose cost is not known. */
export function ruleCosts(table: CandidateTable, options: ControlOptions): Map<ControlRule, Float64Array> {
  const { rows, width, cost } = table;
  const { better, tau, experts, gates } = options;
  const levels = levelsOf(width);
  const spread = (values: Float64Array): Float64Array =>
    Float64Array.from({ length: rows * levels.length }, (_, i) => values[Math.floor(i / levels.length)]!);
  const means = Float64Array.from({ length: rows }, (_, row) => {
    const own = cost.subarray(row * width, (row + 1) * width);
    return own.reduce((sum, value) => sum + value, 0) / width;
  });
  const costs = new Map<ControlRule, Float64Array>([
    ['random', spread(means)],
    ['first', spread(baselineCosts(table))],
    ['readout', pickCosts(table, table.scores.readout)],
    ['logit', pickCosts(table, table.scores.logit)],
    // high p is good; experts' p-values are steps, so many candidates tie
    [
      'p_value',
      pickCosts(
        table,
        table.scores[better].map((energy) => -expertPValue(experts, energy)),
      ),
    ],
  ]);
  const corrected = scoresOf(table, 'corrected', better, tau);
  if (corrected !== undefined) costs.set('corrected', pickCosts(table, corrected));
  for (const rule of [...CONSENSUS_RULES, ...ENERGY_RULES.filter((name) => name !== 'energy')]) {
    const known = knownInAllRows(table.rules.get(`${better}/${rule}`)!, levels.length);
    if (known !== undefined) costs.set(rule, known);
  }
  if (gates.corrected !== null && corrected !== undefined) {
    costs.set('gated_corrected', gatedCosts(table, corrected, gates.corrected, levels));
  }
  const gate = gates[better];
  if (gate !== null) {
    const gated = levels.map((n) =>
      applyGate(table, table.scores[better], { ...gate, candidates: Math.min(n, gate.candidates) }),
    );
    const served = (cost: (row: number, level: number) => number): Float64Array =>
      Float64Array.from({ length: rows * levels.length }, (_, i) =>
        cost(Math.floor(i / levels.length), i % levels.length),
      );
    costs.set('gated', gatedCosts(table, table.scores[better], gate, levels));
    // with all candidates the gate says yes or no; with fewer, how often, which its rule is weighed by
    for (const rule of ENERGY_RULES.filter((name) => name !== 'energy')) {
      const ruled = costs.get(rule);
      if (ruled === undefined) continue;
      const most = levels.findLastIndex((n) => n <= gate.candidates);
      costs.set(
        `gated_${rule}`,
        served((row, level) => {
          const chosen = gated[level]!.chosen[row]!;
          const used = ruled[row * levels.length + Math.min(level, most)]!;
          return chosen * used + (1 - chosen) * cost[row * width]!;
        }),
      );
    }
  }
  return costs.set('oracle', pickCosts(table, cost));
}

/**
 * An average has a cost where it is one of the candidates after all, which some rows are easier for than others: a mean over
 * those alone could be compared with nothing. So a level that one row lacks is NaN in all; undefined where all N lack it.
 */
function knownInAllRows(costs: Float64Array, levels: number): Float64Array | undefined {
  const lacking = new Set<number>();
  costs.forEach((cost, i) => Number.isNaN(cost) && lacking.add(i % levels));
  if (lacking.has(levels - 1)) return undefined;
  return costs.map((cost, i) => (lacking.has(i % levels) ? NaN : cost));
}

/** Cost of what is executed behind a gate at each level, [n, levels]. */
function gatedCosts(
  table: CandidateTable,
  scores: Float64Array,
  gate: NonNullable<ChoiceFit['gates'][ChoiceScore]>,
  levels: readonly number[],
): Float64Array {
  const out = new Float64Array(table.rows * levels.length);
  levels.forEach((n, level) => {
    const { cost } = applyGate(table, scores, { ...gate, candidates: Math.min(n, gate.candidates) });
    cost.forEach((value, row) => (out[row * levels.length + level] = value));
  });
  return out;
}

function gateReport(
  table: CandidateTable,
  score: ChoiceScore,
  gate: NonNullable<ChoiceFit['gates'][ChoiceScore]>,
  { better, tau }: ControlOptions,
): ChoiceReport['gates'][number] {
  const { chosen, harm, cost } = applyGate(table, scoresOf(table, score, better, tau)!, gate);
  const figures = intervals(table.clusters, {
    coverage: share(meanOf(chosen)),
    harm: share(meanOf(harm)),
    gain: real(meanDifference(baselineCosts(table), cost)),
  });
  return {
    score,
    margin: gate.margin,
    candidates: gate.candidates,
    coverage: reportFigure(figures.coverage[0]!),
    harm: reportFigure(figures.harm[0]!),
    worst_task: worstTask(table, harm),
    gain: reportFigure(figures.gain[0]!),
  };
}

function worstTask(
  { tasks, clusters }: CandidateTable,
  harm: Float64Array,
): ChoiceReport['gates'][number]['worst_task'] {
  if (tasks === undefined || new Set(tasks).size < 2) return null;
  const all = [...new Set(tasks)].map((task) => {
    const rows = Int32Array.from(tasks.keys()).filter((row) => tasks[row] === task);
    const own = Float64Array.from(rows, (row) => harm[row]!);
    const figure = intervals(
      rows.map((row) => clusters[row]!),
      { harm: share(meanOf(own)) },
    ).harm[0]!;
    return { task, rows: rows.length, harm: reportFigure(figure) };
  });
  return all.reduce((worst, each) => (each.harm.value! > worst.harm.value! ? each : worst));
}

/** Spearman's correlation of scores and costs by row; NaN where all costs are equal, 0 where all scores are. [n] */
export function rankCorrelations(scores: Float64Array, costs: Float64Array, width: number): Float64Array {
  return Float64Array.from({ length: costs.length / width }, (_, row) => {
    const own = costs.subarray(row * width, (row + 1) * width);
    if (own.every((cost) => cost === own[0])) return NaN;
    return rankCorrelation(scores.subarray(row * width, (row + 1) * width), own) || 0;
  });
}

function decisiveRows({ rows, width, cost }: CandidateTable): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) =>
    cost.subarray(row * width, (row + 1) * width).some((value) => value !== cost[row * width]) ? 1 : 0,
  );
}

function column(values: Float64Array, columns: number, index: number): Float64Array {
  return Float64Array.from({ length: values.length / columns }, (_, row) => values[row * columns + index]!);
}

/** Mean of `a` less `b`; NaN where a row lacks either. */
function meanDifference(a: Float64Array, b: Float64Array): WeightedValues {
  return meanOf(differences(a, b));
}

/** Costs that differ by this share of them are equal: an average over ties is rounded, in every row to the same side. */
const ROUNDING = 1e-12;

function differences(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, row) => {
    const difference = value - b[row]!;
    return Math.abs(difference) <= ROUNDING * Math.abs(value) ? 0 : difference;
  });
}

/** (random - own) / (random - oracle), of means; NaN where nothing can be gained. */
function recovered(random: Float64Array, own: Float64Array, oracle: Float64Array): WeightedValues {
  const gained = differences(random, own);
  const possible = differences(random, oracle);
  return (weights) => {
    const most = weightedMean(possible, weights);
    return [most > 0 ? weightedMean(gained, weights) / most : NaN];
  };
}
