/**
 * One training step as a program: a batch in, the loss and the gradient by every parameter out. The context is encoded once a
 * step, whatever meets it. Gradients come out in memory of their own that is written again each step; parameters are read
 * from where the optimiser changes them.
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
  readonly parts: readonly { readonly positive: boolean; readonly negative: boolean }[];
}

export class TrainingStep {
  readonly #runtime: Runtime;
  readonly #card: ModelCard;
  readonly #terms: readonly { readonly term: LossTerm; readonly weight: number }[];
  readonly #shape: StepShape;
  readonly #parameters: ParameterValues;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #gradients: ParameterValues;
  readonly #outputs: Record<string, OrtTensor> = {};
  readonly #prepared = new Map<TokenDType, Promise<Prepared>>();
  readonly #matrix: Float32Array | undefined;
  readonly #vanishing: readonly Part[];

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
    this.#gradients = new Map(
      [...parameters].map(([name, values]) => [name, new Float32Array(values.length)]),
    );
    for (const [name, values] of this.#gradients) {
      this.#outputs[`grad/${name}`] = float32(values, shapes.get(name)!);
    }
    if (terms.some(({ term }) => term.kind === 'swap' || term.kind === 'margin')) {
      this.#matrix = new Float32Array(shape.pairs ** 2);
      this.#outputs['matrix'] = float32(this.#matrix, [shape.pairs, shape.pairs]);
    }
  }

  /** Errors: `invalid` with the name of the first tensor that is not finite; nothing has changed then. */
  async run(batch: TrainingBatch, random: Random): Promise<StepResult> {
    const { dtype } = batch.tokens;
    const preparing = this.#prepared.get(dtype) ?? this.#prepare(dtype);
    this.#prepared.set(dtype, preparing);
    const { program, inputs, scalars, parts } = await preparing;
    const feeds = this.#feeds(batch, inputs, random);
    const outputs = { ...this.#outputs };
    for (const name of scalars) outputs[name] = float32(new Float32Array(1), []);
    await program.runInto(feeds, outputs);
    const scalar = (name: string): number => (outputs[name]!.data as Float32Array)[0]!;
    this.#checkFinite(batch, scalars, scalar);
    for (const { name, start, end } of this.#vanishing) this.#gradients.get(name)!.fill(0, start, end);
    const measured = parts.findIndex(({ positive, negative }) => positive && negative);
    const mean = (of: string): number => (measured < 0 ? NaN : scalar(`${of}/${measured}`));
    return {
      loss: scalar('loss'),
      positiveEnergy: mean('positive_energy'),
      negativeEnergy: mean('negative_energy'),
      accuracy: this.#matrix === undefined ? NaN : accuracyOf(this.#matrix, this.#shape.pairs),
      gradients: this.#gradients,
    };
  }

  async #prepare(dtype: TokenDType): Promise<Prepared> {
    const { pairs, steps, dropout } = this.#shape;
    const g = new Graph('training_step');
    const batch = new BatchEnergies(g, this.#card, { pairs, steps, dtype, dropout: dropout > 0 });
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
    if (this.#matrix !== undefined) g.output('matrix', batch.matrix());
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
      parts: parts.map(({ positive, negative }) => ({
        positive: positive !== undefined,
        negative: negative !== undefined,
      })),
    };
  }

  #feeds(
    { tokens, actions, others }: TrainingBatch,
    inputs: Prepared['inputs'],
    random: Random,
  ): Record<string, OrtTensor> {
    const { pairs, dropout } = this.#shape;
    const context = contextFeeds(tokens, this.#card, pairs);
    const feeds: Record<string, OrtTensor> = {};
    for (const { name, shape } of inputs) {
      const values = name === 'actions' ? actions : (this.#parameters.get(name) ?? others.get(name));
      if (values !== undefined) feeds[name] = float32(values, this.#shapes.get(name) ?? shape);
      else if (name.startsWith('dropout/')) feeds[name] = float32(dropoutMask(shape, dropout, random), shape);
      else if (context[name] !== undefined) feeds[name] = context[name];
      else throw new Fault('internal', `nothing to feed ${name} with`);
    }
    return feeds;
  }

  /** Inputs first: they are the cause of everything else. */
  #checkFinite(
    { rows, tokens, actions, others }: TrainingBatch,
    scalars: readonly string[],
    scalar: (name: string) => number,
  ): void {
    const suspects: [name: string, values: Float32Array][] = scalars.map((name) => [
      name,
      Float32Array.of(scalar(name)),
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

/** Elements [start, end) of a parameter. */
interface Part {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Losses that do not change when every energy grows by the same. */
const DIFFERENCES = new Set<LossTerm['kind']>([
  'swap',
  'explicit',
  'margin',
  'alignment',
  'rank',
  'listwise',
]);

/**
 * Parameters that the loss does not depend on, though the graph reads them. A bias of the keys adds the same to all logits of
 * a query, which a softmax does not see; the last two biases under a linear readout add the same to all energies. Their gradient is
 * 0, and what float32 leaves of it, some 1e-9, is noise of which AdamW would make steps as large as any other.
 */
function vanishingParts(card: ModelCard, kinds: readonly LossTerm['kind'][]): Part[] {
  const cross = card.architecture === 'cross_attention';
  const parts: Part[] = [];
  if (cross) parts.push({ name: 'cross.in_proj_bias', start: card.hidden, end: 2 * card.hidden });
  if (card.readout.kind === 'linear' && kinds.every((kind) => DIFFERENCES.has(kind))) {
    const head = cross ? 'prediction_head' : 'model';
    parts.push({ name: `${head}.fc2.bias`, start: 0, end: 1 });
    parts.push({ name: `${head}.layer_norm2.bias`, start: 0, end: card.hidden });
  }
  return parts;
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

function accuracyOf(matrix: Float32Array, size: number): number {
  let right = 0;
  for (let i = 0; i < size; i++) {
    const row = matrix.subarray(i * size, (i + 1) * size);
    if (row.every((value, j) => j === i || value > row[i]!)) right++;
  }
  return right / size;
}
