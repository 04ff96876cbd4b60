/** The numbers behind the report's pictures: histograms of scores, and the energy around one expert chunk. */
import type { Engine } from '../../engine/engine.js';
import type { ModelCard } from '../../model/card.js';
import { energiesFromRaw, type Score } from '../../model/energy.js';
import { scoreContexts } from '../../offline/score-contexts.js';
import { engineContext, type CalibrationData } from '../data/calibration-data.js';
import { actionSpread, freeDims } from '../data/action-scale.js';
import { noiseName, NOISE_SIGMAS } from '../data/negatives.js';
import { quantile } from '../metrics/order.js';
import type { Observations } from '../observations.js';
import type { Report } from './report-schema.js';
import type { RowIds } from './structure.js';

const BINS = 40;
/** The farthest half percent at each end falls into the end bins, so that one outlier does not flatten the picture. */
const TRIM = 0.005;

/** Histograms of expert and negative scores over common bins. `own` [n], `swap` [n, B] with NaN where there is none; the largest noise as a third series. */
export function histogram(
  own: Float64Array,
  swap: Float64Array,
  negatives: ReadonlyMap<string, Float64Array>,
): Report['plots']['histogram'] {
  const largest = noiseName(NOISE_SIGMAS.at(-1)!);
  const series = [
    { name: 'expert', values: own },
    { name: 'swap', values: swap.filter((value) => !Number.isNaN(value)) },
    { name: largest, values: negatives.get(largest) ?? new Float64Array(0) },
  ].filter(({ values }) => values.length > 0);
  const ends = series.map(({ values }) => values.slice().sort());
  const low = Math.min(...ends.map((sorted) => quantile(sorted, TRIM)));
  const high = Math.max(...ends.map((sorted) => quantile(sorted, 1 - TRIM)));
  const width = high > low ? (high - low) / BINS : 1;
  return {
    edges: Array.from({ length: BINS + 1 }, (_, i) => low + i * width),
    series: series.map(({ name, values }) => {
      const shares = new Array<number>(BINS).fill(0);
      for (const value of values) {
        const bin = Math.min(BINS - 1, Math.max(0, Math.floor((value - low) / width)));
        shares[bin]! += 1 / values.length;
      }
      return { name, count: values.length, shares };
    }),
  };
}

/** The first batch, its contexts in the order of task, episode and step, so that blocks of alike ones stand together. */
export function batchMatrix(
  { rows, columns, ...observations }: Observations,
  better: Score,
  { task, episode, step }: RowIds,
): Report['plots']['matrix'] {
  const { width, scores, usable } = observations[better].groups;
  const by = (a: number, b: number, ids: Float64Array | undefined): number =>
    ids === undefined ? 0 : ids[columns[a]!]! - ids[columns[b]!]!;
  // the first batch is whole: its contexts are its chunks
  const order = Array.from({ length: width }, (_, i) => i).sort(
    (a, b) => by(a, b, task) || by(a, b, episode) || by(a, b, step) || rows[a]! - rows[b]!,
  );
  const places = order.flatMap((row) => order.map((column) => row * width + column));
  return {
    width,
    energies: places.map((at) => scores[at]!),
    rows: order.map((i) => rows[i]!),
    tasks: task === undefined ? null : order.map((i) => task[rows[i]!]!),
    near_duplicates: Array.from(places.keys()).filter((i) => !usable[places[i]!]),
  };
}

/** Energies over pushes along two action dims, around one expert chunk. */
export interface Landscape {
  readonly row: number;
  /** The two action dims and the pushes, in action units. */
  readonly dims: readonly [number, number];
  readonly pushes: readonly number[];
  /** E[y * pushes.length + x]: pushed by pushes[x] along dims[0] and pushes[y] along dims[1]. */
  readonly energies: readonly number[];
}

/** Points on a side, and the farthest push in action units. */
const SIDE = 21;
const REACH = 1;

/** The energy around the expert chunk of `row`; undefined when fewer than two dims besides the gripper ever move. */
export async function energyLandscape(
  engine: Engine,
  card: ModelCard,
  data: CalibrationData,
  row: number,
  units: Float64Array,
  score: Score,
): Promise<Landscape | undefined> {
  const spread = await actionSpread(data);
  const moving = freeDims(card, spread)
    .filter((dim) => dim !== card.actions.gripper?.index && spread[dim]! > 0)
    .sort((a, b) => spread[b]! / units[b]! - spread[a]! / units[a]!);
  const [first, second] = moving;
  if (first === undefined || second === undefined) return undefined;
  const { steps, dims: A } = data;
  const pushes = Array.from({ length: SIDE }, (_, i) => REACH * ((2 * i) / (SIDE - 1) - 1));
  const expert = await data.actions(row);
  const actions = new Float32Array(SIDE * SIDE * expert.length);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const base = (y * SIDE + x) * expert.length;
      expert.forEach((value, i) => {
        const push = i % A === first ? pushes[x]! : i % A === second ? pushes[y]! : 0;
        actions[base + i] = value + push * units[i % A]!;
      });
    }
  }
  const context = await engineContext(data, row, card);
  const item = { slots: [0], actions, candidates: SIDE * SIDE, steps };
  const [raw] = await scoreContexts(engine, [context], [item]);
  const { energies } = energiesFromRaw(raw!, steps, { readout: card.readout, pool: card.pool, score });
  return { row, dims: [first, second], pushes, energies: Array.from(energies) };
}
