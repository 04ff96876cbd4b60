/**
 * One training step as a program: a batch in, the loss and the gradient by every parameter out. The context is encoded once a
 * step, whatever meets it; a large batch runs in parts (`parts.ts`). Gradients come out in memory of their own that is written
 * again each step; parameters are read from where the optimiser changes them.
 */
import { Tensor as OrtTensor } from '../engine/onnx-runtime.js';
import { BatchEnergies } from '../energy/batch-energies.js';
import { weightedLoss, type LossTerm } from '../energy/loss-terms.js';
import type { TokenBatch } from '../energy/token-batch.js';
import { AWAKE_US, float32, type Program, type Runtime } from '../engine/runtime.js';
import { Fault, invalid } from '../errors.js';
import { gradientsOf } from '../graph/differentiate/gradients.js';
import { Graph } from '../graph/graph.js';
import { latestFirst } from '../graph/latest-first.js';
import type { ModelCard } from '../model/card.js';
import type { TokenDType } from '../model/context.js';
import { contextFeeds } from '../offline/gradients.js';
import type { Random } from '../random.js';
import { BYTES_PER_ELEMENT, toFloat32 } from '../tensor/tensor.js';
import { sumOfSquares, type ParameterValues } from './adamw.js';
import { contextBytes, PART_BYTES, partsOf, ringOf, rowsOf, tokensOf, type BatchPart } from './parts.js';
import { vanishingParts, type Vanishing } from './vanishing.js';

/** B contexts, their chunks, and what the losses set against them. */
export interface TrainingBatch {
  /** Data rows, for faults. */
  readonly rows: Int32Array;
  readonly tokens: TokenBatch;
  /** [B, H, A]. */
  readonly actions: Float32Array;
  /** By name of the graph's input: `negatives`, `noise`, `candidates`, `pair_weights`, `target_weights`, `outcome_signs`. */
  readonly others: ReadonlyMap<string, Float32Array>;
}

export interface StepShape {
  readonly pairs: number; // B
  readonly steps: number; // H
  /** Share of query units that are dropped. */
  readonly dropout: number;
  /** See `PART_BYTES`, the default. */
  readonly partBytes?: number;
}

export interface StepResult {
  readonly loss: number;
  /** Mean energies of the first loss that has them; NaN where none has. */
  readonly positiveEnergy: number;
  readonly negativeEnergy: number;
  /** Share of contexts whose own chunk has the lowest energy of the batch; NaN without a loss over the matrix. */
  readonly accuracy: number;
  /** Overwritten by the next step. */
  readonly gradients: ParameterValues;
}

interface Prepared {
  readonly program: Program;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly scalars: readonly string[];
  /** Index of the first loss with mean energies; -1 where none has them. */
  readonly measured: number;
}

export class TrainingStep {
  readonly #runtime: Runtime;
  readonly #card: ModelCard;
  readonly #terms: readonly { readonly term: LossTerm; readonly weight: number }[];
  readonly #shape: StepShape;
  readonly #parameters: ParameterValues;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #gradients: ParameterValues;
  /** Of a part that is not the first; made when there is one. */
  #partGradients: ParameterValues | undefined;
  /** By dtype and contexts of a part. */
  readonly #prepared = new Map<string, Promise<Prepared>>();
  readonly #overMatrix: boolean;
  readonly #vanishing: readonly Vanishing[];

  /** @param shapes of the parameters, by name */
  constructor(
    runtime: Runtime,
    card: ModelCard,
    terms: readonly { readonly term: LossTerm; readonly weight: number }[],
    shape: StepShape,
    parameters: ParameterValues,
    shapes: ReadonlyMap<string, readonly number[]>,
  ) {
    this.#runtime = runtime;
    this.#card = card;
    this.#terms = terms;
    this.#shape = shape;
    this.#parameters = parameters;
    this.#vanishing = vanishingParts(
      card,
      terms.map(({ term }) => term.kind),
    );
    this.#shapes = shapes;
    this.#gradients = zerosLike(parameters);
    this.#overMatrix = terms.some(({ term }) => term.kind === 'swap' || term.kind === 'margin');
  }

  /** Errors: `invalid` with the name of the first tensor that is not finite; nothing has changed then. */
  async run(batch: TrainingBatch, random: Random): Promise<StepResult> {
    const { pairs } = this.#shape;
    const masks = new Map<string, Float32Array>();
    const sums = new Map<string, number>();
    let measured = -1;
    let won = 0;
    for (const part of this.#parts(batch)) {
      const prepared = await this.#program(batch.tokens.dtype, part.contexts);
      const into = part.first === 0 ? this.#gradients : (this.#partGradients ??= zerosLike(this.#parameters));
      const { scalars, matrix } = await this.#runPart(prepared, batch, part, { masks, random, into });
      if (into !== this.#gradients) addTo(this.#gradients, into);
      for (const [name, value] of scalars) sums.set(name, (sums.get(name) ?? 0) + value);
      if (matrix !== undefined) won += wonRows(matrix, part.contexts, pairs);
      measured = prepared.measured;
    }
    this.#checkFinite(batch, sums);
    for (const { name, start, end } of this.#vanishing) this.#gradients.get(name)!.fill(0, start, end);
    const mean = (of: string): number => sums.get(`${of}/${measured}`) ?? NaN;
    return {
      loss: sums.get('loss')!,
      positiveEnergy: mean('positive_energy'),
      negativeEnergy: mean('negative_energy'),
      accuracy: this.#overMatrix ? won / pairs : NaN,
      gradients: this.#gradients,
    };
  }

  #parts({ tokens }: TrainingBatch): BatchPart[] {
    const { pairs, steps, partBytes = PART_BYTES } = this.#shape;
    const terms = this.#terms.map(({ term }) => term);
    const bytes = contextBytes(this.#card, terms, { pairs, steps, tokens: tokens.tokens });
    return partsOf(terms, pairs, bytes, partBytes);
  }

  #program(dtype: TokenDType, contexts: number): Promise<Prepared> {
    const key = `${dtype} ${contexts}`;
    const preparing = this.#prepared.get(key) ?? this.#prepare(dtype, contexts);
    this.#prepared.set(key, preparing);
    return preparing;
  }

  async #runPart(
    { program, inputs, scalars }: Prepared,
    batch: TrainingBatch,
    part: BatchPart,
    { masks, random, into }: { masks: Map<string, Float32Array>; random: Random; into: ParameterValues },
  ): Promise<{ scalars: [name: string, value: number][]; matrix?: Float32Array }> {
    const { pairs } = this.#shape;
    const outputs: Record<string, OrtTensor> = {};
    for (const [name, values] of into) outputs[`grad/${name}`] = float32(values, this.#shapes.get(name)!);
    for (const name of scalars) outputs[name] = float32(new Float32Array(1), []);
    const matrix = this.#overMatrix ? new Float32Array(part.contexts * pairs) : undefined;
    if (matrix !== undefined) outputs['matrix'] = float32(matrix, [part.contexts, pairs]);
    await program.runInto(this.#feeds(batch, part, inputs, masks, random), outputs);
    return {
      scalars: scalars.map((name) => [name, (outputs[name]!.data as Float32Array)[0]!]),
      ...(matrix && { matrix }),
    };
  }

  async #prepare(dtype: TokenDType, contexts: number): Promise<Prepared> {
    const { pairs, steps, dropout } = this.#shape;
    const g = new Graph('training_step');
    const options = { pairs, contexts, steps, dtype, dropout: dropout > 0 };
    const batch = new BatchEnergies(g, this.#card, options);
    const { loss, parts } = weightedLoss(batch, this.#terms);
    const scalars = ['loss'];
    g.output('loss', loss);
    for (const [index, part] of parts.entries()) {
      for (const [name, value] of [
        ['loss', part.loss],
        ['positive_energy', part.positive],
        ['negative_energy', part.negative],
      ] as const) {
        if (value === undefined) continue;
        g.output(`${name}/${index}`, value);
        scalars.push(`${name}/${index}`);
      }
    }
    if (this.#overMatrix) g.output('matrix', batch.matrix());
    const names = [...this.#parameters.keys()];
    const wrt = names.map((name) => batch.parameters.get(name));
    const missing = names.find((_, i) => wrt[i] === undefined);
    if (missing !== undefined) throw new Fault('internal', `the graph does not read ${missing}`);
    const gradients = gradientsOf(g, loss, wrt as NonNullable<(typeof wrt)[number]>[]);
    for (const i of latestFirst(g, gradients)) g.output(`grad/${names[i]!}`, gradients[i]!);
    const inputs = g.inputs.map(({ name, shape }) => ({ name, shape: shape as readonly number[] }));
    return {
      program: await this.#runtime.prepare(g, AWAKE_US.LARGE, 'LEAN'),
      inputs,
      scalars,
      measured: parts.findIndex(({ positive, negative }) => positive && negative),
    };
  }

  /** `masks`: those of the whole batch by name, drawn where they are missing, so that a unit's fate is the same in any part. */
  #feeds(
    { tokens, actions, others }: TrainingBatch,
    part: BatchPart,
    inputs: Prepared['inputs'],
    masks: Map<string, Float32Array>,
    random: Random,
  ): Record<string, OrtTensor> {
    const { pairs, dropout } = this.#shape;
    const context = contextFeeds(tokensOf(tokens, pairs, part), this.#card, part.contexts);
    const feeds: Record<string, OrtTensor> = {};
    for (const { name, shape } of inputs) {
      const parameter = this.#parameters.get(name);
      if (parameter !== undefined) {
        feeds[name] = float32(parameter, this.#shapes.get(name)!);
        continue;
      }
      if (context[name] !== undefined) {
        feeds[name] = context[name];
        continue;
      }
      if (name.startsWith('dropout/') && !masks.has(name)) {
        masks.set(name, dropoutMask([pairs, ...shape.slice(1)], dropout, random));
      }
      const values = name === 'actions' ? actions : (masks.get(name) ?? others.get(name));
      if (values === undefined) throw new Fault('internal', `nothing to feed ${name} with`);
      const ofAllChunks = name === 'actions' || name === 'dropout/actions';
      feeds[name] = float32((ofAllChunks ? ringOf : rowsOf)(values, pairs, part), shape);
    }
    return feeds;
  }

  /** Inputs first: they are the cause of everything else. */
  #checkFinite({ rows, tokens, actions, others }: TrainingBatch, scalars: ReadonlyMap<string, number>): void {
    const suspects = [...scalars].map(([name, value]): [string, Float32Array] => [
      name,
      Float32Array.of(value),
    ]);
    for (const [name, values] of this.#gradients) suspects.push([`grad/${name}`, values]);
    const bad = suspects.find(([, values]) => !allFinite(values));
    if (bad === undefined) return;
    const given: [string, Float32Array][] = [['actions', actions], ...others];
    const { dtype, bytes } = tokens;
    const shape = [bytes.byteLength / BYTES_PER_ELEMENT[dtype]];
    given.unshift(['hidden', toFloat32('hidden', { dtype, shape, bytes })]);
    const cause = given.find(([, values]) => !allFinite(values))?.[0] ?? bad[0];
    throw invalid(cause, 'not finite: the step is not made', {
      found: `rows ${[...rows].slice(0, 8).join(', ')}${rows.length > 8 ? ', ...' : ''}`,
      wanted: 'finite values',
      mend: 'Weights and optimiser are as they were before this step; look at these rows, or lower the learning rate',
    });
  }
}

/** 0 with the given chance, else 1 / (1 - chance): the mean stays. */
function dropoutMask(shape: readonly number[], chance: number, random: Random): Float32Array {
  const kept = 1 / (1 - chance);
  const count = shape.reduce((product, size) => product * size, 1);
  const mask = new Float32Array(count);
  for (let i = 0; i < count; i++) mask[i] = random.uniform() < chance ? 0 : kept;
  return mask;
}

function allFinite(values: Float32Array): boolean {
  return Number.isFinite(sumOfSquares(values));
}

/** Rows of [contexts, pairs] whose own energy, the one on the diagonal, is below all others. */
function wonRows(matrix: Float32Array, contexts: number, pairs: number): number {
  let won = 0;
  for (let i = 0; i < contexts; i++) {
    const row = matrix.subarray(i * pairs, (i + 1) * pairs);
    if (row.every((value, j) => j === i || value > row[i]!)) won++;
  }
  return won;
}

function zerosLike(parameters: ParameterValues): ParameterValues {
  return new Map([...parameters].map(([name, values]) => [name, new Float32Array(values.length)]));
}

function addTo(sums: ParameterValues, more: ParameterValues): void {
  for (const [name, values] of sums) {
    const added = more.get(name)!;
    for (let i = 0; i < values.length; i++) values[i]! += added[i]!;
  }
}
