/**
 * What a model is worth on episodes that it was not trained on: InfoNCE among the chunks of a batch, and, where the data have
 * candidates with costs, what choosing the lowest energy costs beyond the best candidate (regret) and how energies and costs
 * agree in order inside a context. Dropout is off. The run keeps the weights with the lowest regret, else the lowest InfoNCE.
 */
import { BatchEnergies } from '../energy/batch-energies.js';
import { swapInfoNce } from '../energy/losses.js';
import { AWAKE_US, float32, type Program, type Runtime } from '../engine/runtime.js';
import { Graph } from '../graph/graph.js';
import type { ModelCard } from '../model/card.js';
import { contextFeeds } from '../offline/gradients.js';
import type { TokenDType } from '../model/context.js';
import { rank } from '../model/energy.js';
import type { CalibrationData } from '../calibration/data/calibration-data.js';
import type { ParameterValues } from './adamw.js';
import { isDecisive, type BatchSource } from './batches.js';

export interface Validation {
  readonly infonce: number;
  readonly positiveEnergy: number;
  readonly negativeEnergy: number;
  readonly accuracy: number;
  /** Mean over decisive contexts; absent without costs or without a decisive context. */
  readonly regret?: number;
  /** Spearman's, mean over decisive contexts. */
  readonly rankCorrelation?: number;
}

/** The validation whose weights are kept. */
export interface Best {
  /** Regret, else InfoNCE. */
  readonly value: number;
  readonly update: number;
  readonly rankCorrelation?: number;
}

/**
 * `figures` as the best so far when they are better than `best`: a lower regret, else a lower InfoNCE. Regret over some hundred
 * contexts takes few values; of equal ones the higher rank correlation is better.
 */
export function betterThan(
  best: Best | undefined,
  { regret, infonce, rankCorrelation }: Validation,
  update: number,
): Best | undefined {
  const value = regret ?? infonce;
  const better =
    best === undefined ||
    value < best.value ||
    (value === best.value && (rankCorrelation ?? 0) > (best.rankCorrelation ?? 0));
  return better ? { value, update, ...(rankCorrelation !== undefined && { rankCorrelation }) } : undefined;
}

export class Validator {
  readonly #programs = new Map<TokenDType, Promise<Program>>();

  /** @param batches rows of each batch, all of one size */
  constructor(
    private readonly runtime: Runtime,
    private readonly card: ModelCard,
    private readonly data: CalibrationData,
    private readonly source: BatchSource,
    private readonly batches: readonly Int32Array[],
    private readonly parameters: ParameterValues,
    private readonly shapes: ReadonlyMap<string, readonly number[]>,
    private readonly tau: number,
  ) {}

  async run(): Promise<Validation> {
    const pairs = this.batches[0]!.length;
    const { steps, dims } = this.data;
    const sums = { infonce: 0, positiveEnergy: 0, negativeEnergy: 0, accuracy: 0 };
    let regret = 0;
    let correlation = 0;
    let decisive = 0;
    for (const rows of this.batches) {
      const { tokens, actions } = await this.source.read(rows, 0);
      const preparing = this.#programs.get(tokens.dtype) ?? this.#prepare(tokens.dtype, pairs);
      this.#programs.set(tokens.dtype, preparing);
      const { candidates, costs } = await this.#candidates(rows);
      const feeds = {
        ...contextFeeds(tokens, this.card, pairs),
        actions: float32(actions, [pairs, steps, dims]),
        ...(candidates && {
          candidates: float32(candidates, [pairs, this.data.candidates, steps, dims]),
        }),
      };
      for (const [name, values] of this.parameters) {
        Object.assign(feeds, { [name]: float32(values, this.shapes.get(name)!) });
      }
      const results = await (await preparing).run(feeds);
      const figures = swapInfoNce(results['matrix']!.data as Float32Array, pairs, this.tau);
      sums.infonce += figures.loss;
      sums.positiveEnergy += figures.positiveEnergy;
      sums.negativeEnergy += figures.negativeEnergy;
      sums.accuracy += figures.accuracy;
      const energies = results['candidate_energies']?.data as Float32Array | undefined;
      for (const [i, cost] of costs.entries()) {
        if (!isDecisive(cost)) continue;
        const own = Float64Array.from(energies!.subarray(i * cost.length, (i + 1) * cost.length));
        regret += cost[rank(own)[0]!]! - Math.min(...cost);
        correlation += spearman(own, cost);
        decisive++;
      }
    }
    const count = this.batches.length;
    return {
      infonce: sums.infonce / count,
      positiveEnergy: sums.positiveEnergy / count,
      negativeEnergy: sums.negativeEnergy / count,
      accuracy: sums.accuracy / count,
      ...(decisive > 0 && { regret: regret / decisive, rankCorrelation: correlation / decisive }),
    };
  }

  #prepare(dtype: TokenDType, pairs: number): Promise<Program> {
    const { steps, dims, candidates, hasCost } = this.data;
    const g = new Graph('validation');
    const batch = new BatchEnergies(g, this.card, { pairs, steps, dtype });
    g.output('matrix', batch.matrix());
    if (hasCost) {
      const chunks = g.input('candidates', 'float32', [pairs, candidates, steps, dims]);
      g.output('candidate_energies', batch.against('candidates', chunks));
    }
    return this.runtime.prepare(g, AWAKE_US.LARGE);
  }

  async #candidates(
    rows: Int32Array,
  ): Promise<{ readonly candidates?: Float32Array; readonly costs: readonly Float64Array[] }> {
    const { steps, dims, candidates: N, hasCost } = this.data;
    if (!hasCost) return { costs: [] };
    const size = N * steps * dims;
    const candidates = new Float32Array(rows.length * size);
    const costs: Float64Array[] = [];
    for (const [i, row] of rows.entries()) {
      candidates.set(await this.data.candidateChunks(row), i * size);
      costs.push(await this.data.candidateCosts(row));
    }
    return { candidates, costs };
  }
}

/** Correlation of the ranks; those of equal values are shared. 0 where either does not vary. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (x.length + 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xy += (x[i]! - mean) * (y[i]! - mean);
    xx += (x[i]! - mean) ** 2;
    yy += (y[i]! - mean) ** 2;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

/** From 1; equal values have the mean of their places. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const out = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) out[order[i]!] = (start + end + 1) / 2;
    start = end;
  }
  return out;
}
