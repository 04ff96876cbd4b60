/**
 * The one pass over the data. Each shuffled batch of B contexts is encoded once; its B x B matrix and every other negative
 * are scored against the same encoded contexts; then the contexts are forgotten. The next batch is read meanwhile.
 *
 * Cost of a row, in chunks scored: B for the matrix and about 13 for the made negatives (more with given ones). With the
 * default B = 16 that is some 30 chunks, less work than encoding a context of 300 tokens.
 */
import type { Engine, ScoreItem } from '../engine/engine.js';
import { invalid } from '../errors.js';
import { checkActions } from '../model/actions.js';
import type { ModelCard } from '../model/card.js';
import { energiesFromRaw, type Score } from '../model/energy.js';
import { float32Tensor } from '../tensor/tensor.js';
import type { CalibrationData } from './data/calibration-data.js';
import { readContext, scoreContexts, type ReadContext } from '../offline/score-contexts.js';
import type { NegativePlan } from './data/negatives.js';
import type { Observations } from './observations.js';
import { seededRandom, shuffle } from '../random.js';
import { isSaturated } from './saturation.js';

export interface CollectOptions {
  readonly engine: Engine;
  readonly card: ModelCard;
  readonly plan: NegativePlan;
  /** Action units by dim, [A]. */
  readonly units: Float64Array;
  /** Cluster of each data row. */
  readonly clusters: Int32Array;
  /** B: contexts encoded together, and chunks that each of them meets. */
  readonly batch: number;
  readonly seed: number;
  /**
   * A swap negative of the same task (of any, where the data name none) is left out when its root mean square distance
   * from the expert's chunk is below this, in action units.
   */
  readonly nearDuplicate: number;
  /** First engine slot to use; `batch` slots from here on must be free. */
  readonly firstSlot?: number;
  readonly onRows?: (count: number) => void;
  readonly signal?: AbortSignal;
}

interface ReadBatch {
  readonly contexts: ReadContext[];
  /** Expert chunks, [B, H, A]. */
  readonly experts: Float32Array;
  /** Made and given negatives of each row, [N, H, A]. */
  readonly negatives: Float32Array[];
}

const SCORES: readonly Score[] = ['readout', 'logit'];

/** Observations of the rows `part`, every one once. Errors: fewer rows than a batch; a row that does not fit the model. */
export async function collect(
  data: CalibrationData,
  part: Int32Array,
  options: CollectOptions,
): Promise<Observations> {
  const { engine, batch, seed, firstSlot = 0, onRows, signal } = options;
  if (part.length < batch || batch < 2) {
    throw invalid('batch', 'the data are too few for the batch', {
      found: `${part.length} rows in this part, batch ${batch}`,
      wanted: 'a batch of at least 2 and at least as many rows',
    });
  }
  const order = shuffle(part.slice(), seededRandom(seed, 'batches'));
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batch) {
    // the last batch is filled with rows that were met before: every row meets B chunks
    const rows = order.slice(start, start + batch);
    batches.push(Int32Array.from([...rows, ...order.slice(0, batch - rows.length)]));
  }
  const recorder = new Recorder(data, order, options);
  let next: Promise<ReadBatch> | undefined = readBatch(data, batches[0]!, options);
  for (let i = 0; i < batches.length; i++) {
    const current = await next!;
    signal?.throwIfAborted();
    next = i + 1 < batches.length ? readBatch(data, batches[i + 1]!, options) : undefined;
    next?.catch(() => undefined); // reported where it is awaited; this pass may fail before
    const items = scoreItems(current, data, firstSlot);
    const raw = await scoreContexts(engine, current.contexts, items, firstSlot);
    const fresh = Math.min(batch, order.length - i * batch);
    recorder.record(i * batch, fresh, batches[i]!, current.experts, raw);
    onRows?.(fresh);
  }
  return recorder.observations();
}

async function readBatch(
  data: CalibrationData,
  rows: Int32Array,
  { card, plan }: CollectOptions,
): Promise<ReadBatch> {
  const size = data.steps * data.dims;
  const experts = new Float32Array(rows.length * size);
  const contexts: ReadContext[] = [];
  const negatives: Float32Array[] = [];
  const count = plan.kinds.reduce((sum, kind) => sum + kind.count, 0);
  for (const [i, row] of rows.entries()) {
    contexts.push(await readContext(data, row, card));
    const expert = await data.actions(row);
    checkActions(float32Tensor([1, data.steps, data.dims], expert), card, `actions of row ${row}`);
    experts.set(expert, i * size);
    const made = new Float32Array(count * size);
    let at = 0;
    for (const kind of plan.kinds) {
      made.set(await kind.make(expert, row), at * size);
      at += kind.count;
    }
    negatives.push(made);
  }
  return { contexts, experts, negatives };
}

/** First the matrix, then the negatives row by row. */
function scoreItems(
  { contexts, experts, negatives }: ReadBatch,
  data: CalibrationData,
  firstSlot: number,
): ScoreItem[] {
  const { steps, dims } = data;
  const slots = contexts.map((_, i) => firstSlot + i);
  const matrix: ScoreItem = { slots, actions: experts, candidates: contexts.length, steps };
  const rows = negatives.map((actions, i): ScoreItem => ({
    slots: [slots[i]!],
    actions,
    candidates: actions.length / (steps * dims),
    steps,
  }));
  return [matrix, ...rows.filter((item) => item.candidates > 0)];
}

/** Turns raw steps into the few numbers that are kept. */
class Recorder {
  readonly #data: CalibrationData;
  readonly #options: CollectOptions;
  readonly #order: Int32Array;
  readonly #own: Int32Array;
  readonly #usable: Uint8Array;
  readonly #matrix: Record<Score, Float64Array>;
  readonly #negatives: Record<Score, Map<string, Float64Array>>;
  readonly #ownSteps: Float64Array;
  readonly #swapSteps: Float64Array;
  readonly #saturated: Float64Array;
  #leftOut = 0;

  constructor(data: CalibrationData, order: Int32Array, options: CollectOptions) {
    const n = order.length;
    const table = (): Map<string, Float64Array> =>
      new Map(options.plan.kinds.map(({ name, count }) => [name, new Float64Array(n * count)]));
    this.#data = data;
    this.#options = options;
    this.#order = order;
    this.#own = Int32Array.from(order, (_, i) => i % options.batch);
    this.#usable = new Uint8Array(n * options.batch);
    this.#matrix = {
      readout: new Float64Array(n * options.batch),
      logit: new Float64Array(n * options.batch),
    };
    this.#negatives = { readout: table(), logit: table() };
    this.#ownSteps = new Float64Array(n * data.steps);
    this.#swapSteps = new Float64Array(n * data.steps);
    this.#saturated = new Float64Array(n);
  }

  /** `raw[0]` [B, B, H], `raw[1 + i]` [1, N, H]; the first `fresh` rows of the batch are recorded from `first` on. */
  record(first: number, fresh: number, rows: Int32Array, experts: Float32Array, raw: Float32Array[]): void {
    const { card, batch, plan } = this.#options;
    const { steps } = this.#data;
    const { readout, pool } = card;
    for (let i = 0; i < fresh; i++) this.#markUsable(first + i, i, rows, experts);
    for (const score of SCORES) {
      const matrix = energiesFromRaw(raw[0]!, steps, { readout, pool, score });
      this.#matrix[score].set(matrix.energies.subarray(0, fresh * batch), first * batch);
      if (score === 'readout') for (let i = 0; i < fresh; i++) this.#meanSteps(first + i, i, matrix.steps);
      for (let i = 0; i < fresh && raw.length > 1; i++) {
        const { energies } = energiesFromRaw(raw[1 + i]!, steps, { readout, pool, score });
        let at = 0;
        for (const { name, count } of plan.kinds) {
          this.#negatives[score].get(name)!.set(energies.subarray(at, at + count), (first + i) * count);
          at += count;
        }
      }
    }
    for (let i = 0; i < fresh; i++) {
      const own = raw[0]!.subarray(i * batch * steps, (i + 1) * batch * steps);
      let flat = 0;
      for (const value of own) if (isSaturated(readout, value)) flat++;
      this.#saturated[first + i] = flat / own.length;
    }
  }

  observations(): Observations {
    const { batch, clusters } = this.#options;
    const groups = (score: Score): Observations[Score]['groups'] => ({
      rows: this.#order.length,
      width: batch,
      scores: this.#matrix[score],
      own: this.#own,
      usable: this.#usable,
    });
    return {
      rows: this.#order,
      clusters: this.#order.map((row) => clusters[row]!),
      readout: { groups: groups('readout'), negatives: this.#negatives.readout },
      logit: { groups: groups('logit'), negatives: this.#negatives.logit },
      ownSteps: this.#ownSteps,
      swapSteps: this.#swapSteps,
      saturated: this.#saturated,
      leftOut: this.#leftOut,
    };
  }

  #markUsable(at: number, i: number, rows: Int32Array, experts: Float32Array): void {
    const { batch, nearDuplicate, units } = this.#options;
    const { task, steps, dims } = this.#data;
    const size = steps * dims;
    for (let j = 0; j < batch; j++) {
      const sameTask = task === undefined || task[rows[i]!] === task[rows[j]!];
      let squares = 0;
      for (let k = 0; sameTask && k < size; k++) {
        squares += ((experts[i * size + k]! - experts[j * size + k]!) / units[k % dims]!) ** 2;
      }
      const duplicate = j !== i && sameTask && Math.sqrt(squares / size) < nearDuplicate;
      this.#usable[at * batch + j] = duplicate ? 0 : 1;
      if (duplicate) this.#leftOut++;
    }
  }

  /** `steps` [B, B, H] readout energies; row i of the batch. */
  #meanSteps(at: number, i: number, values: Float64Array): void {
    const { batch } = this.#options;
    const H = this.#data.steps;
    for (let t = 0; t < H; t++) {
      let sum = 0;
      let count = 0;
      for (let j = 0; j < batch; j++) {
        if (j === i || !this.#usable[at * batch + j]) continue;
        sum += values[(i * batch + j) * H + t]!;
        count++;
      }
      this.#ownSteps[at * H + t] = values[(i * batch + i) * H + t]!;
      this.#swapSteps[at * H + t] = count > 0 ? sum / count : NaN;
    }
  }
}
