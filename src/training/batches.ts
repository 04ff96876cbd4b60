/**
 * Which rows make which batch, and what a batch is made of. Everything is drawn from seed and epoch, so a run that goes on
 * from a saved step meets the same batches. Data may be larger than memory: shards are shuffled, then rows within each, and
 * only a batch is read at a time.
 *
 * Two rows of one task whose chunks nearly agree would be each other's false negatives: the later one waits for a batch
 * without the other.
 */
import { actionSpread, actionUnits, freeDims } from '../calibration/data/action-scale.js';
import type { NegativeKind } from '../calibration/data/negatives.js';
import { engineContext, type CalibrationData } from '../calibration/data/calibration-data.js';
import { tokenBatch } from '../energy/token-batch.js';
import { ALIGNMENT_SIGMAS } from '../energy/loss-terms.js';
import { checkActions } from '../model/actions.js';
import type { ModelCard } from '../model/card.js';
import { seededRandom, shuffle } from '../random.js';
import { float32Tensor } from '../tensor/tensor.js';
import { trainingNegatives, type NegativeFamily } from './negatives.js';
import type { TrainedLoss } from './recipe.js';
import type { TrainingBatch } from './step.js';

/** Root mean square distance in action units below which two chunks count as one, as calibration counts them. */
const NEAR_DUPLICATE = 0.1;

export interface BatchSource {
  /** M of explicit and hinge losses. */
  readonly negatives: number;
  /** Batches of an epoch in order, each as its rows; the same for the same epoch. */
  epoch(rows: Int32Array, epoch: number, size: number): AsyncGenerator<Int32Array>;
  /** Reads a batch. Errors: a row that does not fit the model, by name. */
  read(rows: Int32Array, epoch: number): Promise<TrainingBatch>;
}

/** How the experts' actions spread: the size of an action unit by dim, [A], and the dims that move. */
export interface ActionScale {
  readonly units: Float64Array;
  readonly free: readonly number[];
}

export async function actionScale(data: CalibrationData, card: ModelCard): Promise<ActionScale> {
  const spread = await actionSpread(data);
  return { units: actionUnits(spread, card), free: freeDims(card, spread) };
}

/** `scale`: as `actionScale` has it, of these data or of those that stand for them. */
export function batchSource(
  data: CalibrationData,
  card: ModelCard,
  kinds: readonly TrainedLoss[],
  seed: number,
  { units, free }: ActionScale,
  families?: readonly NegativeFamily[],
): BatchSource {
  const planOf = (epoch: number): NegativeKind[] =>
    trainingNegatives(data, card, units, seed + 1_000_003 * epoch, free, families);
  const made = planOf(0).reduce((sum, { count }) => sum + count, 0);
  const negatives = kinds.some((kind) => kind === 'explicit' || kind === 'hinge') ? made : 0;
  const reader = new Reader(data, card, new Set(kinds), units, seed);
  return {
    negatives,
    epoch: (rows, epoch, size) => batchesOf(data, units, rows, epoch, size, seed),
    read: (rows, epoch) => reader.read(rows, epoch, negatives > 0 ? planOf(epoch) : undefined),
  };
}

async function* batchesOf(
  data: CalibrationData,
  units: Float64Array,
  rows: Int32Array,
  epoch: number,
  size: number,
  seed: number,
): AsyncGenerator<Int32Array> {
  const order = shuffledRows(data, rows, seededRandom(seed, `epoch ${epoch}`));
  let waiting: Candidate[] = [];
  let batch: Candidate[] = [];
  const join = (candidate: Candidate): boolean => {
    if (batch.some((other) => sameMotion(candidate, other, units))) return false;
    batch.push(candidate);
    return true;
  };
  for (const row of order) {
    const candidate = { row, chunk: await data.actions(row), task: data.task?.[row] };
    if (!join(candidate)) waiting.push(candidate);
    if (batch.length < size) continue;
    yield Int32Array.from(batch, (each) => each.row);
    batch = [];
    waiting = waiting.filter((each) => batch.length === size || !join(each));
  }
}

interface Candidate {
  readonly row: number;
  readonly chunk: Float32Array;
  readonly task: number | undefined;
}

function sameMotion(a: Candidate, b: Candidate, units: Float64Array): boolean {
  if (a.task !== b.task) return false;
  let squares = 0;
  for (let i = 0; i < a.chunk.length; i++) {
    squares += ((a.chunk[i]! - b.chunk[i]!) / units[i % units.length]!) ** 2;
  }
  return Math.sqrt(squares / a.chunk.length) < NEAR_DUPLICATE;
}

function shuffledRows(
  data: CalibrationData,
  rows: Int32Array,
  random: ReturnType<typeof seededRandom>,
): number[] {
  let first = 0;
  const shards = data.sources.map(({ rows: count }) => {
    const [start, end] = [first, (first += count)];
    return rows.filter((row) => row >= start && row < end);
  });
  const order = shuffle(Int32Array.from(shards.keys()), random);
  return [...order].flatMap((shard) => [...shuffle(shards[shard]!, random)]);
}

class Reader {
  readonly #data: CalibrationData;
  readonly #card: ModelCard;
  readonly #kinds: ReadonlySet<TrainedLoss>;
  readonly #units: Float64Array;
  readonly #seed: number;

  constructor(
    data: CalibrationData,
    card: ModelCard,
    kinds: ReadonlySet<TrainedLoss>,
    units: Float64Array,
    seed: number,
  ) {
    this.#data = data;
    this.#card = card;
    this.#kinds = kinds;
    this.#units = units;
    this.#seed = seed;
  }

  async read(
    rows: Int32Array,
    epoch: number,
    plan: readonly NegativeKind[] | undefined,
  ): Promise<TrainingBatch> {
    const { steps, dims } = this.#data;
    const contexts = [];
    const actions = new Float32Array(rows.length * steps * dims);
    for (const [i, row] of rows.entries()) {
      contexts.push((await engineContext(this.#data, row, this.#card)).item);
      const chunk = await this.#data.actions(row);
      checkActions(float32Tensor([1, steps, dims], chunk), this.#card, `actions of row ${row}`);
      actions.set(chunk, i * chunk.length);
    }
    const others = new Map<string, Float32Array>();
    if (plan) others.set('negatives', await this.#negatives(rows, plan));
    if (this.#kinds.has('alignment')) others.set('noise', this.#noise(rows, epoch));
    if (this.#kinds.has('rank') || this.#kinds.has('listwise')) await this.#ranked(rows, others);
    if (this.#kinds.has('outcome')) {
      others.set(
        'outcome_signs',
        Float32Array.from(rows, (row) => (this.#data.outcome![row]! > 0.5 ? 1 : -1)),
      );
    }
    return { rows, tokens: tokenBatch(contexts, this.#card.state_dim), actions, others };
  }

  /** [B, M, H, A]. */
  async #negatives(rows: Int32Array, kinds: readonly NegativeKind[]): Promise<Float32Array> {
    const size = this.#data.steps * this.#data.dims;
    const count = kinds.reduce((sum, kind) => sum + kind.count, 0);
    const out = new Float32Array(rows.length * count * size);
    let at = 0;
    for (const row of rows) {
      const expert = await this.#data.actions(row);
      for (const kind of kinds) {
        out.set(await kind.make(expert, row), at * size);
        at += kind.count;
      }
    }
    return out;
  }

  /** [B, K, H, A], in action units. */
  #noise(rows: Int32Array, epoch: number): Float32Array {
    const { steps, dims } = this.#data;
    const size = steps * dims;
    const out = new Float32Array(rows.length * ALIGNMENT_SIGMAS.length * size);
    for (const [i, row] of rows.entries()) {
      const random = seededRandom(this.#seed + row, `alignment ${epoch}`);
      for (const [k, sigma] of ALIGNMENT_SIGMAS.entries()) {
        const from = (i * ALIGNMENT_SIGMAS.length + k) * size;
        for (let j = 0; j < size; j++) out[from + j] = sigma * this.#units[j % dims]! * random.normal();
      }
    }
    return out;
  }

  /** `candidates`, `pair_weights` and `target_weights` of the batch. */
  async #ranked(rows: Int32Array, others: Map<string, Float32Array>): Promise<void> {
    const { steps, dims, candidates: N } = this.#data;
    const size = N * steps * dims;
    const candidates = new Float32Array(rows.length * size);
    const costs: Float64Array[] = [];
    for (const [i, row] of rows.entries()) {
      candidates.set(await this.#data.candidateChunks(row), i * size);
      costs.push(await this.#data.candidateCosts(row));
    }
    others.set('candidates', candidates);
    if (this.#kinds.has('rank')) others.set('pair_weights', pairWeights(costs));
    if (this.#kinds.has('listwise')) others.set('target_weights', targetWeights(costs));
  }
}

/** Whether the candidates of a context differ in what they cost: others teach nothing. */
export function isDecisive(costs: Float64Array): boolean {
  return costs.some((cost) => cost !== costs[0]);
}

/**
 * [B, N, N]: the same for every pair (i, j) of a context where i cost less, and the same in all for every decisive context; 1
 * in sum, 0 where no context is decisive.
 */
export function pairWeights(costs: readonly Float64Array[]): Float32Array {
  const N = costs[0]!.length;
  const decisive = costs.filter(isDecisive).length;
  const out = new Float32Array(costs.length * N * N);
  for (const [b, row] of costs.entries()) {
    let pairs = 0;
    for (const one of row) for (const other of row) if (one < other) pairs++;
    for (let i = 0; i < N; i++) {
      for (let j = 0; j < N; j++) {
        if (row[i]! < row[j]!) out[(b * N + i) * N + j] = 1 / (pairs * decisive);
      }
    }
  }
  return out;
}

/** [B, N]: even over the cheapest of each decisive context; 1 in sum, 0 where none is. */
export function targetWeights(costs: readonly Float64Array[]): Float32Array {
  const N = costs[0]!.length;
  const decisive = costs.filter(isDecisive).length;
  const out = new Float32Array(costs.length * N);
  for (const [b, row] of costs.entries()) {
    if (!isDecisive(row)) continue;
    const least = Math.min(...row);
    const count = row.filter((cost) => cost === least).length;
    for (let i = 0; i < N; i++) if (row[i] === least) out[b * N + i] = 1 / (count * decisive);
  }
  return out;
}
