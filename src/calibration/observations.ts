/** What one pass over the data leaves behind: a few numbers a row, whatever the size of its context. */
import { energiesFromRaw, type Score } from '../model/energy.js';
import { isSaturated } from '../model/readout.js';
import type { CandidateTable } from './choice/candidate-table.js';
import { ChoiceRecorder, type ChoiceRecorderOptions } from './choice/choice-recorder.js';
import type { CalibrationData } from './data/calibration-data.js';
import type { NegativePlan } from './data/negatives.js';
import type { CandidateGroups } from './metrics/groups.js';
import type { Input } from './fit/input-statistics.js';

/** The scores of one kind (readout energies, or logits). */
export interface ScoreTable {
  /** Each row's context with the B chunks of its batch. */
  readonly groups: CandidateGroups;
  /** By kind of negative: scores [n, count], row-major. */
  readonly negatives: ReadonlyMap<string, Float64Array>;
}

/** Observations of one part of the split, in batch order: rows i*B to (i+1)*B met the same B chunks. */
export interface Observations extends Readonly<Record<Score, ScoreTable>> {
  /** Row in the data, [n]. */
  readonly rows: Int32Array;
  /** Cluster of the split, [n]. */
  readonly clusters: Int32Array;
  /** Per-step energies of the expert's chunk, and their mean over its swap negatives; [n, H] each. */
  readonly ownSteps: Float64Array;
  readonly swapSteps: Float64Array;
  /** Share of the row's per-step values in the flat part of the readout, [n]. */
  readonly saturated: Float64Array;
  /** Row in the data of each chunk of the batch, [n, B]. */
  readonly columns: Int32Array;
  /** mean|a_j - a_i| of the batch's chunks and the row's own, [n, B]. */
  readonly differences: Float64Array;
  /** ||a- - a||_2 of each given negative and the expert's chunk, by kind: [n, count]. */
  readonly distances: ReadonlyMap<string, Float64Array>;
  /** Swap negatives left out because they nearly equal the expert's chunk. */
  readonly leftOut: number;
  /** The policy's samples; undefined where the data hold none. */
  readonly candidates: CandidateTable | undefined;
  /** What the model was shown, [n] each. */
  readonly inputs: Readonly<Record<Input, Float64Array>>;
  /** 12 hex digits of the content of each row, [n]. */
  readonly hashes: readonly string[];
}

/** What is kept of B rows besides their scores. */
export interface RecordedBatch {
  /** Expert chunks, [B, H, A]. */
  readonly experts: Float32Array;
  /** Made and given negatives of each row in the order of the plan, [N, H, A]. */
  readonly negatives: readonly Float32Array[];
  /** The policy's samples of each row [N, H, A] and their costs; empty where the data hold none. */
  readonly candidates: readonly { readonly chunks: Float32Array; readonly costs: Float64Array | undefined }[];
  readonly inputs: readonly Readonly<Record<Input, number>>[];
  /** 12 hex digits of the content of each row. */
  readonly hashes: readonly string[];
}

export interface RecorderOptions extends ChoiceRecorderOptions {
  readonly plan: NegativePlan;
  /** Cluster of each data row. */
  readonly clusters: Int32Array;
  /** B: contexts encoded together, and chunks that each of them meets. */
  readonly batch: number;
  /**
   * A swap negative of the same task (of any, where the data name none) is left out when its root mean square distance
   * from the expert's chunk is below this, in action units.
   */
  readonly nearDuplicate: number;
}

const SCORES: readonly Score[] = ['readout', 'logit'];

/** Turns raw steps into the few numbers that are kept. */
export class Recorder {
  readonly #data: CalibrationData;
  readonly #options: RecorderOptions;
  readonly #order: Int32Array;
  readonly #own: Int32Array;
  readonly #usable: Uint8Array;
  readonly #matrix: Record<Score, Float64Array>;
  readonly #negatives: Record<Score, Map<string, Float64Array>>;
  readonly #ownSteps: Float64Array;
  readonly #swapSteps: Float64Array;
  readonly #saturated: Float64Array;
  readonly #columns: Int32Array;
  readonly #differences: Float64Array;
  readonly #distances: ReadonlyMap<string, Float64Array>;
  readonly #choice: ChoiceRecorder | undefined;
  readonly #inputs: Readonly<Record<Input, number>>[] = [];
  readonly #hashes: string[] = [];
  #leftOut = 0;

  constructor(data: CalibrationData, order: Int32Array, options: RecorderOptions) {
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
    this.#columns = new Int32Array(n * options.batch);
    this.#differences = new Float64Array(n * options.batch);
    this.#distances = new Map(
      options.plan.kinds
        .filter(({ given }) => given)
        .map(({ name, count }) => [name, new Float64Array(n * count)]),
    );
    const clusters = order.map((row) => options.clusters[row]!);
    this.#choice = data.candidates > 0 ? new ChoiceRecorder(data, order, clusters, options) : undefined;
  }

  /**
   * `raw[0]` [B, B, H], then [1, N, H] for each row's negatives, then for each row's candidates; the first `fresh` rows of the
   * batch are recorded from `first` on.
   */
  record(
    first: number,
    fresh: number,
    rows: Int32Array,
    { experts, negatives, candidates, inputs, hashes }: RecordedBatch,
    raw: Float32Array[],
  ): void {
    const { card, batch, plan } = this.#options;
    const { steps } = this.#data;
    const { readout, pool } = card;
    for (let i = 0; i < fresh; i++) {
      this.#columns.set(rows, (first + i) * batch);
      this.#compareChunks(first + i, i, rows, experts);
      this.#measureGiven(first + i, i, experts, negatives[i]!);
    }
    for (const score of SCORES) {
      const matrix = energiesFromRaw(raw[0]!, steps, { readout, pool, score });
      this.#matrix[score].set(matrix.energies.subarray(0, fresh * batch), first * batch);
      if (score === 'readout') for (let i = 0; i < fresh; i++) this.#meanSteps(first + i, i, matrix.steps);
      for (let i = 0; i < fresh && plan.kinds.length > 0; i++) {
        const { energies } = energiesFromRaw(raw[1 + i]!, steps, { readout, pool, score });
        let at = 0;
        for (const { name, count } of plan.kinds) {
          this.#negatives[score].get(name)!.set(energies.subarray(at, at + count), (first + i) * count);
          at += count;
        }
      }
    }
    this.#inputs.push(...inputs.slice(0, fresh));
    this.#hashes.push(...hashes.slice(0, fresh));
    const size = experts.length / batch;
    for (let i = 0; i < fresh && this.#choice !== undefined; i++) {
      const { chunks, costs } = candidates[i]!;
      const expert = experts.subarray(i * size, (i + 1) * size);
      this.#choice.record(first + i, chunks, raw[raw.length - batch + i]!, expert, costs);
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
      columns: this.#columns,
      differences: this.#differences,
      distances: this.#distances,
      leftOut: this.#leftOut,
      candidates: this.#choice?.table(),
      inputs: {
        token_norm: Float64Array.from(this.#inputs, (row) => row.token_norm),
        masked_share: Float64Array.from(this.#inputs, (row) => row.masked_share),
        action_range: Float64Array.from(this.#inputs, (row) => row.action_range),
      },
      hashes: this.#hashes,
    };
  }

  /** Row i of the batch against the chunks of all: how far they are, and which of them nearly equal its own. */
  #compareChunks(at: number, i: number, rows: Int32Array, experts: Float32Array): void {
    const { batch, nearDuplicate, units } = this.#options;
    const { task, steps, dims } = this.#data;
    const size = steps * dims;
    for (let j = 0; j < batch; j++) {
      const sameTask = task === undefined || task[rows[i]!] === task[rows[j]!];
      let [sum, squares] = [0, 0];
      for (let k = 0; k < size; k++) {
        const difference = experts[i * size + k]! - experts[j * size + k]!;
        sum += Math.abs(difference);
        squares += (difference / units[k % dims]!) ** 2;
      }
      const duplicate = j !== i && sameTask && Math.sqrt(squares / size) < nearDuplicate;
      this.#differences[at * batch + j] = sum / size;
      this.#usable[at * batch + j] = duplicate ? 0 : 1;
      if (duplicate) this.#leftOut++;
    }
  }

  /** `negatives` [N, H, A] of row i of the batch. */
  #measureGiven(at: number, i: number, experts: Float32Array, negatives: Float32Array): void {
    const size = this.#data.steps * this.#data.dims;
    let from = 0;
    for (const { name, count } of this.#options.plan.kinds) {
      const kept = this.#distances.get(name);
      for (let m = 0; kept !== undefined && m < count; m++) {
        let squares = 0;
        for (let k = 0; k < size; k++) {
          squares += (negatives[(from + m) * size + k]! - experts[i * size + k]!) ** 2;
        }
        kept[at * count + m] = Math.sqrt(squares);
      }
      from += count;
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
