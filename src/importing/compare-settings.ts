/** Which setting fits data: the InfoNCE loss of the experts' chunks among those of other rows, in each of them. */
import {
  engineContext,
  openCalibrationData,
  type CalibrationData,
} from '../calibration/data/calibration-data.js';
import { fitTemperature } from '../calibration/fit/temperature.js';
import type { CandidateGroups } from '../calibration/metrics/groups.js';
import { infonceRows } from '../calibration/metrics/infonce.js';
import { intervals, real } from '../calibration/metrics/intervals.js';
import { weightedMean } from '../calibration/metrics/weighted.js';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { energiesFromRaw } from '../model/energy.js';
import type { Weights } from '../model/weights.js';
import { scoreContexts } from '../offline/score-contexts.js';
import { engineSettings, inverted, withSetting, type EngineSetting } from './declared-settings.js';

export interface ComparedSetting {
  /** Flags that differ from what was declared; none: the declared setting. */
  readonly flags: readonly string[];
  /** Nats, at the temperature that suits this setting best; log B is chance. */
  readonly loss: number;
}

export interface Comparison {
  /** Lowest loss first. */
  readonly settings: readonly ComparedSetting[];
  readonly rows: number;
  readonly chance: number;
}

/** Rows looked at, and how many of them are compared with each other. */
const MOST_ROWS = 256;
const BATCH = 16;

/**
 * The losses of all settings of heads, activation and, where the data have a mask, its polarity. Errors: data of another
 * layout; a declared setting that another one beats beyond the 95 percent interval of the paired difference by episode.
 */
export async function compareSettings(
  card: ModelCard,
  weights: Weights,
  files: readonly string[],
  onTry: (what: string) => void = () => undefined,
): Promise<Comparison> {
  const losses: (ComparedSetting & { rows: Float64Array })[] = [];
  let clusters: Int32Array = new Int32Array();
  for (const setting of engineSettings(card)) {
    onTry(setting.flags.join(' ') || 'as declared');
    for (const variant of variantsOf(setting)) {
      const data = await openCalibrationData(files, variant.card);
      try {
        if (variant.polarity && !data.hasMask) continue;
        const rows = await withSetting(
          setting,
          weights,
          (engine) => lossesOf(engine, data, variant.card),
          variant.flags.length === 0,
        );
        if (rows === undefined) continue;
        clusters = clustersOf(data, rows.length);
        losses.push({
          flags: variant.flags,
          loss: weightedMean(rows, new Float64Array(rows.length).fill(1)),
          rows,
        });
      } finally {
        await data.close();
      }
    }
  }
  const declared = losses.find(({ flags }) => flags.length === 0);
  losses.sort((a, b) => a.loss - b.loss);
  const [best] = losses;
  if (best === undefined) throw invalid('--data', 'no setting can score these data');
  const chance = Math.log(Math.min(BATCH, best.rows.length));
  if (declared === undefined || best === declared)
    return { settings: losses, rows: best.rows.length, chance };
  const gain = declared.rows.map((loss, row) => loss - best.rows[row]!);
  const { difference } = intervals(clusters, { difference: real((w) => [weightedMean(gain, w)]) });
  if (!(difference[0]!.low > 0)) return { settings: losses, rows: best.rows.length, chance };
  throw invalid('--data', 'another setting fits these data better than the declared one', {
    found: `InfoNCE loss ${declared.loss.toFixed(3)} as declared, ${best.loss.toFixed(3)} with ${best.flags.join(' ')} (chance ${chance.toFixed(3)}, ${gain.length} rows)`,
    wanted: 'the setting of the training code, which has the lowest loss',
    mend: `Import with ${best.flags.join(' ')}, or without --data if the training code says otherwise.`,
  });
}

interface Variant {
  readonly card: ModelCard;
  readonly flags: readonly string[];
  readonly polarity: boolean;
}

function variantsOf({ card, flags }: EngineSetting): Variant[] {
  const other = inverted(card);
  return [
    { card, flags, polarity: false },
    { card: other, flags: [...flags, `--mask-polarity ${other.mask_polarity}`], polarity: true },
  ];
}

/** Evenly spaced rows, each among the chunks of others that stand far from it in the data. */
function rowsOf(data: CalibrationData): Int32Array[] {
  const count = Math.min(data.rows, MOST_ROWS);
  const groups = Math.max(1, Math.floor(count / BATCH));
  const size = Math.min(BATCH, count);
  return Array.from({ length: groups }, (_, group) =>
    Int32Array.from({ length: size }, (__, i) =>
      Math.floor(((i * groups + group) * data.rows) / (groups * size)),
    ),
  );
}

function clustersOf(data: CalibrationData, rows: number): Int32Array {
  const ids = data.episode ?? data.task;
  const order = rowsOf(data).flatMap((group) => [...group]);
  return Int32Array.from(order.slice(0, rows), (row, i) => ids?.[row] ?? i);
}

async function lossesOf(
  engine: Parameters<typeof scoreContexts>[0],
  data: CalibrationData,
  card: ModelCard,
): Promise<Float64Array> {
  const groups = rowsOf(data);
  const width = groups[0]!.length;
  if (width < 2) throw invalid('--data', 'too few rows', { found: String(data.rows), wanted: 'at least 2' });
  const scores = new Float64Array(groups.length * width * width);
  for (const [at, rows] of groups.entries()) {
    const contexts = [];
    const actions = new Float32Array(width * data.steps * data.dims);
    for (const [i, row] of rows.entries()) {
      contexts.push(await engineContext(data, row, card));
      actions.set(await data.actions(row), i * data.steps * data.dims);
    }
    const item = { slots: [...rows.keys()], actions, candidates: width, steps: data.steps };
    const [raw] = await scoreContexts(engine, contexts, [item]);
    const { energies } = energiesFromRaw(raw!, data.steps, {
      readout: card.readout,
      pool: card.pool,
      score: 'readout',
    });
    scores.set(energies, at * width * width);
  }
  const count = groups.length * width;
  const table: CandidateGroups = {
    rows: count,
    width,
    scores,
    own: Int32Array.from({ length: count }, (_, row) => row % width),
    usable: new Uint8Array(scores.length).fill(1),
  };
  const { tau } = fitTemperature(table, card.tau);
  return infonceRows(table, tau).loss;
}
