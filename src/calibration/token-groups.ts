/**
 * What the order of chunks depends on: the tokens of one group (image, proprioception, prompt...) of each context are replaced by
 * those of another episode's, everything else stays, and the same chunks are scored again (permutation importance, Breiman
 * 2001). A model that listens to the prompt alone changes its order with the prompt alone.
 */
import type { Score } from '../model/energy.js';
import { visibleRanges } from '../model/context.js';
import type { ModelCard } from '../model/card.js';
import { BYTES_PER_ELEMENT } from '../tensor/tensor.js';
import { collect, type CollectOptions } from './collect.js';
import type { CalibrationData } from './data/calibration-data.js';
import { infonceRows } from './metrics/infonce.js';
import { intervals, real, share } from './metrics/intervals.js';
import { changedOrder } from './metrics/order.js';
import { weightedMean } from './metrics/weighted.js';
import type { Observations } from './observations.js';
import { reportFigure } from './report/figure.js';
import type { TokenGroupReport } from './report/report-schema.js';

/** Rows looked at, evenly spaced: each is encoded once more for every group. */
const MOST_ROWS = 128;
/** Groups looked at, those with the most tokens. */
const MOST_GROUPS = 8;

/** Null where the data name no groups, or contexts hold one alone. `rows` of the data; `score` at `tau` is reported on. */
export async function tokenGroups(
  data: CalibrationData,
  rows: Int32Array,
  { score, tau }: { readonly score: Score; readonly tau: number },
  collecting: CollectOptions,
): Promise<TokenGroupReport | null> {
  const { card, clusters } = collecting;
  if (!data.hasTokenGroups || card.architecture === 'global_context') return null;
  const count = Math.min(MOST_ROWS, rows.length);
  const part = Int32Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)]!);
  const tokens = await visibleTokens(data, part, card);
  if (tokens.size < 2) return null;
  const options: CollectOptions = {
    ...collecting,
    plan: { kinds: [], omitted: [] },
    batch: Math.min(collecting.batch, count),
    density: null,
    onRows: () => undefined,
  };
  const before = await collect(data, part, options);
  const groups: TokenGroupReport['groups'] = [];
  const largest = [...tokens].sort(([, a], [, b]) => b - a).slice(0, MOST_GROUPS);
  for (const [group, total] of largest.sort(([a], [b]) => a - b)) {
    const after = await collect(withForeignTokens(data, group, donors(part, clusters), card), part, options);
    groups.push({ group, tokens: total / count, ...changes(before, after, score, tau) });
  }
  return { rows: count, order_of: before.candidates ? 'candidates' : 'swaps', groups };
}

function changes(
  before: Observations,
  after: Observations,
  score: Score,
  tau: number,
): Pick<TokenGroupReport['groups'][number], 'order_changed' | 'loss_increase'> {
  const { groups } = before[score];
  const { candidates } = before;
  const changed = candidates
    ? changedOrder(candidates.scores[score], after.candidates!.scores[score], candidates.width)
    : changedOrder(groups.scores, after[score].groups.scores, groups.width, groups.usable);
  const loss = infonceRows(groups, tau).loss;
  const increase = infonceRows(after[score].groups, tau).loss.map((value, row) => value - loss[row]!);
  const figures = intervals(before.clusters, {
    changed: share((weights) => [weightedMean(changed, weights)]),
    increase: real((weights) => [weightedMean(increase, weights)]),
  });
  return {
    order_changed: reportFigure(figures.changed[0]!),
    loss_increase: reportFigure(figures.increase[0]!),
  };
}

/** Visible tokens by group, of all rows together. */
async function visibleTokens(
  data: CalibrationData,
  rows: Int32Array,
  card: ModelCard,
): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const row of rows) {
    for (const [group, places] of await placesByGroup(data, row, card)) {
      counts.set(group, (counts.get(group) ?? 0) + places.length);
    }
  }
  return counts;
}

async function placesByGroup(
  data: CalibrationData,
  row: number,
  card: ModelCard,
): Promise<Map<number, number[]>> {
  const { hidden, mask } = await data.context(row);
  const groups = await data.tokenGroups(row);
  const places = new Map<number, number[]>();
  for (const [start, end] of visibleRanges(mask?.bytes, hidden.shape[0]!, 'pad_mask', card.mask_polarity)) {
    for (let token = start; token < end; token++) {
      const group = groups[token]!;
      const known = places.get(group);
      if (known) known.push(token);
      else places.set(group, [token]);
    }
  }
  return places;
}

/** The next row of another episode, for each. */
function donors(rows: Int32Array, clusters: Int32Array): Map<number, number> {
  return new Map(
    Array.from(rows, (row, i) => {
      const others = Array.from(rows, (_, k) => rows[(i + 1 + k) % rows.length]!);
      return [row, others.find((other) => clusters[other] !== clusters[row]) ?? others[0]!];
    }),
  );
}

/** The same data, with the visible tokens of `group` taken from the donor; of fewer, again from the first. */
function withForeignTokens(
  data: CalibrationData,
  group: number,
  donorOf: ReadonlyMap<number, number>,
  card: ModelCard,
): CalibrationData {
  return {
    ...data,
    context: async (row) => {
      const own = await data.context(row);
      const donor = donorOf.get(row)!;
      const from = (await placesByGroup(data, donor, card)).get(group) ?? [];
      if (from.length === 0) return own; // the donor has none: nothing to put there
      const foreign = (await data.context(donor)).hidden.bytes;
      const size = own.hidden.shape[1]! * BYTES_PER_ELEMENT[own.hidden.dtype];
      const places = (await placesByGroup(data, row, card)).get(group) ?? [];
      for (const [i, place] of places.entries()) {
        const at = from[i % from.length]! * size;
        own.hidden.bytes.set(foreign.subarray(at, at + size), place * size);
      }
      return own;
    },
  };
}
