/**
 * The losses of docs/model.md as values of a graph over the energies of a batch, so that they can be differentiated. The
 * same equations over numbers, for reports, stand in `losses.ts` and `losses-margin.ts`; a test holds the two together.
 */
import type { Graph } from '../graph/graph.js';
import { gradientsOf } from '../graph/differentiate/gradients.js';
import {
  abs,
  add,
  concat,
  detach,
  div,
  logSoftmax,
  mul,
  relu,
  slice,
  sqrt,
  sub,
  sum,
  unsqueeze,
} from '../graph/ops.js';
import type { Value } from '../graph/value.js';
import { identity, type BatchEnergies } from './batch-energies.js';
import { HINGE_DEFAULTS, MARGIN_BETA } from './losses-margin.js';
import { outcomeLoss, type OutcomeTerm } from './outcome-terms.js';

/** Sigmas of the noise that gradient alignment adds to the actions. */
export const ALIGNMENT_SIGMAS = [0.05, 0.15, 0.3] as const;

export type LossTerm =
  /** `CE(-E / tau, arange(B))` over the matrix; on a global_context model the 2D InfoNCE. */
  | { readonly kind: 'swap'; readonly tau: number }
  /** Logits `-[E_pos, E_neg_1..M] / tau`, target 0. Input `negatives` [C, M, H, A]. */
  | { readonly kind: 'explicit'; readonly tau: number; readonly negatives: number }
  /** `mean relu(m0 + kappa ||a_neg - a||_2 + stop(E_pos) - E_neg)` over the first negative of each. Input `negatives`. */
  | { readonly kind: 'hinge'; readonly negatives: number; readonly margin?: number; readonly kappa?: number }
  /** `mean_off relu(E_ii - E_ij + beta mean|a_j - a_i|)` over the matrix. */
  | { readonly kind: 'margin'; readonly beta?: number }
  /** `-cos(-dE/da~, a - a~)`, a~ = a + noise, averaged; second order in the weights. Input `noise` [C, K, H, A]. */
  | { readonly kind: 'alignment'; readonly noises: number }
  | OutcomeTerm;

/** Those over a batch and its negatives; the outcome losses need what candidates came to. */
export type LossKind = Exclude<LossTerm, OutcomeTerm>['kind'];
export const LOSS_KINDS = ['swap', 'explicit', 'hinge', 'margin', 'alignment'] as const satisfies LossKind[];

export interface LossValues {
  /** Scalar []. */
  readonly loss: Value;
  /** Mean energies [] of the batch's own chunks and of what they were set against; absent for alignment. */
  readonly positive?: Value;
  readonly negative?: Value;
}

/** Whether a loss is a sum over contexts, so that those of a batch's parts add up to the batch's. */
export function addsUp({ kind }: LossTerm): boolean {
  return kind !== 'outcome'; // its zero point is the mean of the batch
}

/** One loss. Terms over the matrix should come first in a composite: the others then take its diagonal. */
export function lossOf(batch: BatchEnergies, term: LossTerm): LossValues {
  switch (term.kind) {
    case 'swap':
      return swapLoss(batch, term.tau);
    case 'explicit':
      return explicitLoss(batch, term);
    case 'hinge':
      return hingeLoss(batch, term);
    case 'margin':
      return marginLoss(batch, term.beta ?? MARGIN_BETA);
    case 'alignment':
      return alignmentLoss(batch, term.noises);
    case 'rank':
    case 'listwise':
    case 'outcome':
      return outcomeLoss(batch, term);
  }
}

/** `sum_k weight_k loss_k`, with the losses one by one for the log. */
export function weightedLoss(
  batch: BatchEnergies,
  terms: readonly { readonly term: LossTerm; readonly weight: number }[],
): { readonly loss: Value; readonly parts: readonly LossValues[] } {
  const { g } = batch;
  const overMatrix = ({ kind }: LossTerm): boolean => kind === 'swap' || kind === 'margin';
  if (terms.some(({ term }) => overMatrix(term))) batch.matrix();
  const parts = terms.map(({ term }) => lossOf(batch, term));
  const weighted = parts.map(({ loss }, index) => times(g, loss, terms[index]!.weight));
  return { loss: weighted.reduce((all, next) => add(g, all, next)), parts };
}

function swapLoss(batch: BatchEnergies, tau: number): LossValues {
  const { g, contexts, pairs } = batch;
  const matrix = batch.matrix();
  const own = identity(g, contexts, pairs);
  const logs = mul(g, logSoftmax(g, times(g, matrix, -1 / tau)), own); // the rest of a row is for its softmax alone
  return { loss: times(g, total(g, logs), -1 / pairs), ...meansOfMatrix(batch) };
}

function explicitLoss(
  batch: BatchEnergies,
  { tau, negatives }: Extract<LossTerm, { kind: 'explicit' }>,
): LossValues {
  const { g, pairs } = batch;
  const { own, others } = batch.ownAndOthers(negativesOf(batch, negatives));
  const logits = times(g, concat(g, [unsqueeze(g, own, [1]), others], 1), -1 / tau); // [C, 1 + M]
  const first = slice(g, logSoftmax(g, logits), 1, 0, 1);
  return { loss: times(g, total(g, first), -1 / pairs), ...means(batch, own, others, pairs * negatives) };
}

function hingeLoss(
  batch: BatchEnergies,
  {
    negatives,
    margin = HINGE_DEFAULTS.margin,
    kappa = HINGE_DEFAULTS.kappa,
  }: Extract<LossTerm, { kind: 'hinge' }>,
): LossValues {
  const { g, pairs } = batch;
  const chunks = slice(g, negativesOf(batch, negatives), 1, 0, 1); // [C, 1, H, A]
  const { own, others } = batch.ownAndOthers(chunks);
  const apart = sub(g, chunks, unsqueeze(g, batch.ownActions, [1]));
  const distance = sqrt(g, sum(g, mul(g, apart, apart), [1, 2, 3])); // [C]
  const energy = sum(g, others, [1]);
  const gap = add(g, times(g, distance, kappa), sub(g, detach(g, own), energy));
  const wanted = relu(g, add(g, gap, number(g, margin)));
  return { loss: times(g, total(g, wanted), 1 / pairs), ...means(batch, own, others, pairs) };
}

function marginLoss(batch: BatchEnergies, beta: number): LossValues {
  const { g, contexts, pairs, actions } = batch;
  const matrix = batch.matrix();
  const apart = sub(g, unsqueeze(g, actions, [0]), unsqueeze(g, batch.ownActions, [1])); // [i, j] = a_j - a_i
  const length = batch.steps * batch.card.action_dim;
  const difference = times(g, sum(g, abs(g, apart), [2, 3]), beta / length); // [C, B]
  const short = relu(g, add(g, sub(g, unsqueeze(g, batch.own(), [1]), matrix), difference));
  const off = mul(g, short, offDiagonal(g, contexts, pairs));
  return { loss: times(g, total(g, off), 1 / (pairs * (pairs - 1))), ...meansOfMatrix(batch) };
}

/**
 * Squared lengths get this much more: a gradient of exactly zero then has cosine 0, as PyTorch's, and no infinite derivative.
 * Far below the square of any gradient that float32 can tell from zero.
 */
const TINY = 1e-30;

function alignmentLoss(batch: BatchEnergies, noises: number): LossValues {
  const { g, contexts, pairs, steps, card } = batch;
  const noise = g.input('noise', 'float32', [contexts, noises, steps, card.action_dim]);
  const noisy = add(g, unsqueeze(g, batch.ownActions, [1]), noise); // a~ [C, K, H, A]
  const energies = batch.against('noisy', noisy);
  const [slope] = gradientsOf(g, total(g, energies), [noisy]);
  const dot = (a: Value, b: Value): Value => sum(g, mul(g, a, b), [2, 3]); // [C, K]
  const length = (x: Value): Value => sqrt(g, add(g, dot(x, x), number(g, TINY)));
  // -cos(-dE/da~, a - a~) = -cos(dE/da~, noise)
  const cosine = div(g, dot(slope!, noise), mul(g, length(slope!), length(noise)));
  return { loss: times(g, total(g, cosine), -1 / (pairs * noises)) };
}

/** The input `negatives` [C, M, H, A], one for all terms that read it. */
function negativesOf({ g, contexts, steps, card }: BatchEnergies, count: number): Value {
  const known = g.inputs.find(({ name }) => name === 'negatives');
  return known ?? g.input('negatives', 'float32', [contexts, count, steps, card.action_dim]);
}

function meansOfMatrix(batch: BatchEnergies): { positive: Value; negative: Value } {
  const { g, contexts, pairs } = batch;
  const matrix = batch.matrix();
  const others = mul(g, matrix, offDiagonal(g, contexts, pairs));
  return means(batch, batch.own(), others, pairs * (pairs - 1));
}

/** Of all parts of a batch together: a part has its share of both. */
function means(
  { g, pairs }: BatchEnergies,
  own: Value,
  others: Value,
  count: number,
): { positive: Value; negative: Value } {
  return {
    positive: times(g, total(g, own), 1 / pairs),
    negative: times(g, total(g, others), 1 / count),
  };
}

function offDiagonal(g: Graph, rows: number, columns: number): Value {
  return sub(g, number(g, 1), identity(g, rows, columns));
}

function total(g: Graph, x: Value): Value {
  return sum(g, x, [...x.shape.keys()]);
}

function number(g: Graph, value: number): Value {
  return g.constant('number', [], Float32Array.of(value));
}

function times(g: Graph, x: Value, factor: number): Value {
  return mul(g, x, number(g, factor));
}
