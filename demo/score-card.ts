/** What the arms achieved: shares with their intervals, differences paired by episode, as a table and as a picture. */
import { markdownTable } from '../bench/table.js';
import { intervals, real, share, type Figure } from '../src/calibration/metrics/intervals.js';
import { weightedMean } from '../src/calibration/metrics/weighted.js';
import { COLOURS, escapeText, px } from '../src/calibration/report/html/svg.js';
import { ARMS, type Arm } from './closed-loop.js';

/** Successes [episodes] by arm, over the same episodes. */
export type Successes = ReadonlyMap<Arm, Float64Array>;

export interface VariantResult {
  readonly name: string;
  /** Verdict of its calibration, and the rule that `auto` applied. */
  readonly verdict: string;
  readonly rule: string;
  readonly successes: Successes;
}

export const LABELS: Readonly<Record<Arm, string>> = {
  expert: 'the expert',
  policy: 'policy alone',
  random: 'random candidate',
  consensus: 'consensus (medoid)',
  consensus_mean: 'consensus (mean)',
  energy: '`energy`, no gate',
  energy_mean: '`energy_mean`, no gate',
  gated: '`energy`, gated',
  auto: '`auto`',
};

export function rate(successes: Successes, arm: Arm): Figure {
  const values = successes.get(arm)!;
  return intervals(episodesOf(values), { rate: share((w) => [weightedMean(values, w)]) }).rate[0]!;
}

/** Success of `arm` less that of `other`, paired by episode. */
export function gain(successes: Successes, arm: Arm, other: Arm): Figure {
  const values = successes.get(arm)!.map((value, i) => value - successes.get(other)![i]!);
  return intervals(episodesOf(values), { gain: real((w) => [weightedMean(values, w)]) }).gain[0]!;
}

function episodesOf(values: Float64Array): Int32Array {
  return Int32Array.from({ length: values.length }, (_, i) => i);
}

/** The first variant by arm, then all variants. */
export function tables(results: readonly VariantResult[]): string {
  const [{ successes }] = results as [VariantResult];
  const byArm = markdownTable(
    ['who chooses', 'success, percent', 'less policy, points', 'less consensus (medoid)'],
    ARMS.map((arm) => [
      LABELS[arm],
      points(rate(successes, arm)),
      arm === 'policy' ? '' : points(gain(successes, arm, 'policy')),
      arm === 'consensus' || arm === 'policy' ? '' : points(gain(successes, arm, 'consensus')),
    ]),
  );
  const byVariant = markdownTable(
    ['variant', 'verdict', '`auto` applied', 'policy', 'energy, no gate', '`auto`', '`auto` less policy'],
    results.map(({ name, verdict, rule, successes: each }) => [
      name,
      verdict,
      rule,
      ...(['policy', 'energy', 'auto'] as const).map((arm) => percent(rate(each, arm).value)),
      points(gain(each, 'auto', 'policy')),
    ]),
  );
  return `${byArm}\n\n${byVariant}`;
}

function points({ value, low, high }: Figure): string {
  return `${percent(value)} [${percent(low)}, ${percent(high)}]`;
}

function percent(value: number): string {
  return (100 * value).toFixed(1);
}

const ROW = 22;
const PANEL = { left: 170, width: 360, top: 34, gap: 26 } as const;

/** Success with its interval by arm, one panel a variant; a line marks the policy alone. */
export function picture(results: readonly VariantResult[]): string {
  const height = results.length * (PANEL.top + ARMS.length * ROW + PANEL.gap);
  const width = PANEL.left + PANEL.width + 60;
  const x = (value: number): number => PANEL.left + value * PANEL.width;
  const parts: string[] = [];
  for (const [index, { name, successes }] of results.entries()) {
    const top = index * (PANEL.top + ARMS.length * ROW + PANEL.gap) + PANEL.top;
    const bottom = top + ARMS.length * ROW;
    parts.push(`<text x="${PANEL.left}" y="${top - 12}" font-weight="bold">${escapeText(name)}</text>`);
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(
        `<line x1="${px(x(tick))}" x2="${px(x(tick))}" y1="${top}" y2="${bottom}" stroke="#ddd"/>`,
        `<text x="${px(x(tick))}" y="${bottom + 14}" text-anchor="middle" fill="#666">${100 * tick}%</text>`,
      );
    }
    const alone = px(x(rate(successes, 'policy').value));
    parts.push(
      `<line x1="${alone}" x2="${alone}" y1="${top}" y2="${bottom}" stroke="${COLOURS.grey}" stroke-dasharray="4 3"/>`,
    );
    for (const [row, arm] of ARMS.entries()) {
      const y = top + (row + 0.5) * ROW;
      const { value, low, high } = rate(successes, arm);
      const colour = arm === 'auto' ? COLOURS.orange : arm in MODEL_FREE ? COLOURS.grey : COLOURS.blue;
      parts.push(
        `<text x="${PANEL.left - 10}" y="${y}" text-anchor="end" dy="0.32em">${escapeText(LABELS[arm].replaceAll('`', ''))}</text>`,
        `<line x1="${px(x(low))}" x2="${px(x(high))}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"/>`,
        `<circle cx="${px(x(value))}" cy="${y}" r="4" fill="${colour}"/>`,
        `<text x="${x(1) + 10}" y="${y}" dy="0.32em">${(100 * value).toFixed(0)}</text>`,
      );
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" role="img">`,
    '<title>Success by who chooses, with 95 percent intervals</title>',
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** Arms that ask no model. */
const MODEL_FREE: Partial<Record<Arm, true>> = {
  expert: true,
  policy: true,
  random: true,
  consensus: true,
  consensus_mean: true,
};
