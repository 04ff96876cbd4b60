/**
 * Does the model tell experts' chunks from wrong ones of the data, and what does its readout lose of that? A share of 0.5 is
 * chance; what counts is its 95 percent interval by episode, so that neither a lucky handful of rows nor a flat sigmoid decides.
 */
import type { Engine } from '../../engine/engine.js';
import { Fault } from '../../errors.js';
import type { ModelCard } from '../../model/card.js';
import type { Score } from '../../model/energy.js';
import { CALIBRATE_DEFAULTS } from '../calibrate.js';
import type { CandidateTable } from '../choice/candidate-table.js';
import { rankCorrelations } from '../choice/control.js';
import { collect } from '../collect.js';
import { actionSpread, actionUnits } from '../data/action-scale.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { clusterRows } from '../data/split.js';
import { winRates } from '../metrics/auroc.js';
import { ownScores, swapScores } from '../metrics/groups.js';
import { intervals, real, share, type WeightedValues } from '../metrics/intervals.js';
import { weightedMean } from '../metrics/weighted.js';
import type { Observations } from '../observations.js';
import { figure, isAboveZero, reportFigure, type ReportFigure } from '../report/figure.js';
import { ok, type Finding, type Level } from './probe.js';

/** Rows scored, evenly spaced. */
const ROWS = 192;
/** Wrong chunks that each expert's is set against. */
const BATCH = 16;
/** An interval around chance that is narrower shows that there is nothing to see; a wider one shows nothing. */
const NARROW = 0.2;
const CHANCE = 0.5;

/** Empty where fewer than 2 rows can be scored, which the data probes say. */
export async function expertFindings(
  engine: Engine,
  card: ModelCard,
  data: CalibrationData,
  seed: number,
): Promise<Finding[]> {
  const rows = await scorableRows(data, card);
  if (rows.length < 2) return [];
  let observations: Observations;
  try {
    observations = await collect(data, rows, {
      engine,
      card,
      plan: { kinds: [], omitted: [] },
      units: actionUnits(await actionSpread(data), card),
      clusters: clusterRows(data).clusters,
      batch: Math.min(BATCH, rows.length),
      seed,
      nearDuplicate: CALIBRATE_DEFAULTS.nearDuplicate,
      density: null,
    });
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'invalid') throw error;
    return [refused(error)];
  }
  const { clusters, candidates } = observations;
  const wins = (score: Score, wrong: (score: Score) => Float64Array): Float64Array =>
    winRates(ownScores(observations[score].groups), wrong(score));
  const swaps = compared(clusters, (score) => wins(score, (of) => swapScores(observations[of].groups)));
  const findings = [swapFinding(swaps, rows.length), saturationFinding(swaps, observations, card)];
  if (candidates === undefined) return [...findings, NO_CANDIDATES];
  const own = compared(clusters, (score) => wins(score, (of) => candidates.scores[of]));
  return [...findings, candidateFinding(own, candidates, clusters)];
}

/** Rows that an engine takes. */
async function scorableRows(data: CalibrationData, card: ModelCard): Promise<Int32Array> {
  const looked = Math.min(ROWS, data.rows);
  const least = card.architecture === 'cross_attention' ? 2 : 1;
  const rows: number[] = [];
  for (let i = 0; i < looked; i++) {
    const row = Math.floor((i * data.rows) / looked);
    const { tokens, masked } = await data.tokens(row);
    if (tokens - masked >= least) rows.push(row);
  }
  return Int32Array.from(rows);
}

/** How often experts win by each score, and how much more often by the logit. */
interface Compared extends Readonly<Record<Score, ReportFigure>> {
  readonly lost: ReportFigure;
}

/** `winsBy` [n], NaN where a row has nothing to be set against. */
function compared(clusters: Int32Array, winsBy: (score: Score) => Float64Array): Compared {
  const readout = winsBy('readout');
  const logit = winsBy('logit');
  const figures = intervals(clusters, {
    readout: share(mean(readout)),
    logit: share(mean(logit)),
    lost: real(mean(logit.map((value, row) => value - readout[row]!))),
  });
  return {
    readout: reportFigure(figures.readout[0]!),
    logit: reportFigure(figures.logit[0]!),
    lost: reportFigure(figures.lost[0]!),
  };
}

/** Against chance: told beyond the interval, the reverse told, nothing there, or too few rows to say. */
function againstChance({ low, high }: ReportFigure): 'told' | 'reversed' | 'chance' | 'unknown' {
  if (low === null || high === null) return 'unknown';
  if (low > CHANCE) return 'told';
  if (high < CHANCE) return 'reversed';
  return high - low < NARROW ? 'chance' : 'unknown';
}

/** The score that serves: the energy, unless its readout loses order that the logit keeps. */
function serving(compared: Compared): Score {
  return isAboveZero(compared.lost) ? 'logit' : 'readout';
}

function swapFinding(swaps: Compared, rows: number): Finding {
  const probe = 'experts against swaps';
  const score = serving(swaps);
  const wins = swaps[score];
  if (wins.value === null) {
    return {
      probe,
      level: 'note',
      measured: "not measured: all of the data's chunks are near-duplicates of each other",
      means: 'Nobody knows whether it looks at the context.',
      act: 'Probe with data of several tasks or phases.',
    };
  }
  const by = score === 'logit' ? ' (logit)' : '';
  const measured = `an expert's chunk lies below another context's in ${figure(wins)} of the pairs of ${rows} rows${by}`;
  switch (againstChance(wins)) {
    case 'told':
      return ok(probe, measured);
    case 'reversed':
      return {
        probe,
        level: 'failure',
        measured,
        means: "It prefers other contexts' chunks to the expert's: low does not mean good.",
        act: 'Check the sign of the readout and of the training loss, and that rows of hidden and actions belong together.',
      };
    case 'chance':
      return {
        probe,
        level: 'failure',
        measured,
        means:
          "It tells an expert's chunk from another context's no better than a coin: an untrained model does as well.",
        act: 'Check that the checkpoint is the trained one, and that the data are of its policy, layer and units.',
      };
    case 'unknown':
      return {
        probe,
        level: 'warning',
        measured,
        means: "Not shown to tell an expert's chunk from another context's.",
        act: 'Probe with more episodes.',
      };
  }
}

const NO_CANDIDATES: Finding = {
  probe: 'experts against candidates',
  level: 'note',
  measured: 'not measured: the data hold no `candidates`',
  means: "Nobody knows how it orders the policy's own samples, which is what it will be asked to do.",
  act: 'Record them (docs/calibration.md, Data).',
};

/** What is asked of it in the end: order among the policy's samples in one context. */
function candidateFinding(own: Compared, table: CandidateTable, clusters: Int32Array): Finding {
  const probe = 'experts against candidates';
  const score = serving(own);
  const wins = own[score];
  const correlations = rankCorrelations(table.scores[score], table.cost, table.width);
  const { order } = intervals(clusters, { order: real(mean(correlations)) });
  const correlation = reportFigure(order[0]!);
  const cost = table.costKind === 'given' ? 'cost' : 'distance to the expert';
  const measured = `an expert's chunk lies below the policy's own samples in ${figure(wins)} of the pairs; rank correlation of score and ${cost} among the samples ${figure(correlation)}`;
  const level = candidateLevel(wins, correlation, table.costKind);
  if (level === 'ok') return ok(probe, measured);
  return {
    probe,
    level,
    measured,
    means:
      level === 'failure'
        ? "Among the policy's own samples it prefers those that cost more: its choice makes things worse."
        : "Not shown to order the policy's own samples by anything that helps.",
    act: 'Calibrate: its verdict says by cost whether it may choose, and behind which gate.',
  };
}

/** Order among the samples decides; of experts alone it may know no more than their texture. */
function candidateLevel(
  wins: ReportFigure,
  order: ReportFigure,
  costKind: CandidateTable['costKind'],
): Extract<Level, 'ok' | 'warning' | 'failure'> {
  if (isAboveZero(order)) return 'ok';
  const isReversed = order.high !== null && order.high < 0;
  if (isReversed) return costKind === 'given' ? 'failure' : 'warning';
  return costKind === 'distance_to_expert' && againstChance(wins) === 'told' ? 'ok' : 'warning';
}

/** Flat stretches of a readout do harm only where they cost order. */
function saturationFinding(swaps: Compared, { saturated }: Observations, card: ModelCard): Finding {
  const probe = 'saturation';
  const flat = saturated.reduce((sum, value) => sum + value, 0) / saturated.length;
  const where = `${(100 * flat).toFixed(0)} percent of per-step values lie where the ${card.readout.kind} readout is flat`;
  if (swaps.lost.value === null) return ok(probe, where);
  const measured = `${where}; experts win ${figure(swaps.lost)} more of the pairs by the logit`;
  if (!isAboveZero(swaps.lost)) return ok(probe, measured);
  const all = againstChance(swaps.readout) !== 'told' && againstChance(swaps.logit) === 'told';
  return {
    probe,
    level: all ? 'failure' : 'warning',
    measured,
    means: all
      ? 'The readout loses all of the order that the raw values have: by its energies the model chooses by chance.'
      : 'The readout loses order that the raw values have.',
    act: 'Rank by the logit score, and calibrate, which says which score is better.',
  };
}

function refused(fault: Fault): Finding {
  return {
    probe: 'experts against swaps',
    level: 'failure',
    measured: `not measured: ${fault.message}`,
    means: 'The data hold what no server would score.',
    act: 'Mend the data, or what the card declares of the actions.',
  };
}

function mean(values: Float64Array): WeightedValues {
  return (weights) => [weightedMean(values, weights)];
}
