/** Tables of the calibration itself: key figures, readout against logit, p-values of experts, margins, int8. */
import { VERDICT_TEXT } from '../../choice/verdict.js';
import { figure, number, type Table } from '../figure.js';
import type { Int8Report, Report } from '../report-schema.js';
import type { Reported } from '../reported.js';

const STATUS = {
  fitted: 'the minimum of the InfoNCE loss',
  separable: 'every expert was lowest: the lower bound of the search, not a minimum',
  no_preference: 'experts were no lower than others beyond the interval: the model does not choose',
  constant: 'all scores equal: the tau of the card',
} as const;

export function keyFigures({ better, scores, report }: Reported): Table {
  const { infonce, energy, reliability, noise, effective_negatives: negatives } = report;
  const { tau, status, interval } = scores[better].temperature;
  const chance = (places: number): string => `chance ${number(Math.min(1, places / (1 + negatives)))}`;
  return {
    name: 'key-figures',
    title: 'Key figures',
    note: 'With 95 percent intervals, by cluster of the split.',
    columns: ['figure', 'value', 'reading'],
    rows: [
      [
        'score',
        better,
        better === 'logit'
          ? 'pooled raw value: loses less than the energy; all energies below are of this score'
          : "the model's energy, pooled after the readout; the logit is not clearly better",
      ],
      ['temperature', { ...interval, value: tau }, STATUS[status]],
      ['InfoNCE loss', infonce.after, `chance ${number(infonce.chance)}; log B ${number(infonce.log_batch)}`],
      ['InfoNCE loss before', infonce.before, 'at the tau of the card'],
      ['top-1', report.top1, chance(1)],
      ['top-5', report.top5, chance(5)],
      ['mean reciprocal rank', report.mrr, '1: the expert is always lowest'],
      ['calibration error before', reliability.ece_before, 'ECE at the tau of the card'],
      ['calibration error after', reliability.ece_after, 'ECE at the fitted tau; 0: probabilities hold'],
      ['Positive_Energy', energy.positive, `spread ${figure(energy.positive_spread)}`],
      ['Negative_Energy', energy.negative, `spread ${figure(energy.negative_spread)}`],
      ['energy gap', energy.gap, 'negative less positive; wanted above 0'],
      ['Spearman, energy and noise', noise.spearman, '1: more noise, more energy'],
      ['monotonicity violations', noise.violations, 'share of noise steps without a rise'],
      ['readout saturation', report.saturation, 'share of per-step values where the readout is flat'],
      ['drift (PSI)', report.psi, 'against the fitted experts; above 0.25 is a shift'],
    ],
  };
}

export function scoreTable({ better, report }: Reported): Table {
  return {
    name: 'scores',
    title: 'Readout or logit',
    note: `The logit is the pooled raw value before the readout; it keeps its spread where the readout saturates. Loss of the readout less that of the logit: ${figure(report.scores.difference, 4)} nats.`,
    columns: ['score', 'tau', 'InfoNCE loss', 'top-1', 'ECE', 'swap AUROC'],
    rows: (['readout', 'logit'] as const).map((name) => {
      const { tau, loss, top1, ece, swap_auroc: auroc } = report.scores[name];
      return [name === better ? `${name} (chosen)` : name, tau, loss, top1, ece, auroc];
    }),
  };
}

export function pValueTable({ p_values: { levels, shares } }: Report): Table {
  return {
    name: 'p-values',
    title: 'p-values of experts',
    note: 'Share of reported experts whose p-value lies at or below each level. Equal to the level: the p-value can be trusted.',
    columns: ['level', 'share', 'verdict'],
    rows: levels.map((level, i) => {
      const { low, high } = shares[i]!;
      const verdict =
        low === null || high === null
          ? 'not measured'
          : low > level
            ? 'too many: experts are called unlike experts'
            : high < level
              ? 'too few: it lets more pass than it says'
              : 'holds';
      return [String(level), shares[i]!, verdict];
    }),
  };
}

export function marginTable({ better, scores }: Reported): Table {
  const { levels, chance, expert } = scores[better].margins;
  return {
    name: 'margins',
    title: 'Margins by quantile',
    note: 'Chance: how far the lowest of a few noisy copies lies below the expert. Lead: how far the expert lies below its best swap negative.',
    columns: ['quantile', 'chance', 'lead'],
    rows: levels.map((level, i) => [String(level), chance[i] ?? null, expert[i] ?? null]),
  };
}

export function int8Table(int8: Int8Report): Table {
  return {
    name: 'int8',
    title: 'The context encoder in 8 bits',
    note: `Against float32 on ${int8.rows} reported rows, among ${int8.chunks === 'candidates' ? "the policy's samples" : 'the experts of a batch'}. Error: the 0.95 quantile of how far int8 moves a chunk's energy against the best one of its row.`,
    columns: ['figure', 'value'],
    rows: [
      ['same best chunk', int8.same_best],
      ['energy error', int8.error],
      [`same best chunk, of ${int8.decided_rows} rows whose margin exceeds the error`, int8.same_decided],
      ['rank correlation within a row', int8.spearman],
      ['InfoNCE loss', int8.loss],
      ['InfoNCE loss above float32', int8.loss_increase],
      ...(int8.verdict === undefined ? [] : [['verdict', VERDICT_TEXT[int8.verdict]]]),
    ],
  };
}
