/**
 * The scoring of a request: N candidates in one context become energies, a ranking, probabilities and p-values. Everything
 * is checked before it is queued; the energies are computed once and shared by answer, metrics and live quality.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ContextRef, HeldContext } from '../batching/work.js';
import type { KeptContext } from '../batching/context-cache.js';
import { invalid, toFault } from '../errors.js';
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import { CORRECTED_TAU, type Correction } from '../calibration/correction.js';
import { energiesFromRaw, probabilities, rank, type Energies, type EnergyOptions } from '../model/energy.js';
import type { ActionBatch } from '../model/actions.js';
import type { Pool } from '../model/card.js';
import type { Observed } from '../quality/live-quality.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  checkedActions,
  checkedContext,
  checkedIndex,
  checkedPool,
  checkedTau,
  type ContextInput,
} from './checked-inputs.js';
import type { Answered } from '../calibration/apply.js';
import { slopeOf, withoutSlopes, type ActionGradients } from './action-slopes.js';
import { comparedBaseline, type Baseline } from './baseline.js';
import type { Scope } from './scope.js';
import type { ModelVersion, ServedModel } from './served-model.js';
import { rawOf, submitWork, timingsOf, type ServingParts, type Timings } from './admission.js';

type Known = NonNullable<Observed['known']>;

/** A request as it was sent; fields that are absent mean the model's or the server's defaults. */
export interface ScoreRequest {
  readonly context: ContextInput;
  /** Keep an inline context; leaseMs 0: the server's default. */
  readonly keep?: { readonly leaseMs: number };
  /** [N, H, A], or [H, A] for one. */
  readonly candidates: Tensor;
  /** The memory of context and candidates may be given away. */
  readonly move: boolean;
  readonly pool?: Pool;
  /** `corrected` is the calibration's: not with `raw`, `tau` or a pool that is not the card's. */
  readonly score: ChoiceScore;
  readonly tau?: number;
  /** Leave the calibration out. */
  readonly raw: boolean;
  readonly episodeStep?: number;
  /** Length of the ranking; 0: all. */
  readonly topK: number;
  /** Index of the policy's own candidate. */
  readonly baseline?: number;
  /** The candidate that is right, where the caller knows; or what tells it once there are energies, [N]. */
  readonly known?: Known | ((energies: Float64Array) => Promise<Known | undefined>);
  /** Answer with the pooled raw values, too. */
  readonly logits: boolean;
  /** Answer with dE/dA, too; not of the corrected score. */
  readonly actionGradients?: boolean;
  /** What parsing the message took. */
  readonly decodeMs: number;
}

export interface ScoreAnswer extends Answered {
  /** [N], and by step [N, H]: what was pooled. */
  readonly energies: Float64Array;
  readonly steps: Float64Array;
  readonly shape: readonly [candidates: number, steps: number];
  /** [top_k or N] indices, lowest energy first. */
  readonly ranking: Int32Array;
  readonly best: number;
  /** [N] pooled raw values, where asked for. */
  readonly logits?: Float64Array;
  /** Where asked for. */
  readonly actionGradients?: ActionGradients;
  readonly baseline?: Baseline;
  readonly kept?: KeptContext;
  /** Why it was not kept; empty when it was, or nobody asked. */
  readonly keepRefused: string;
  readonly version: ModelVersion;
  readonly timings: Timings;
}

/** Errors: everything that the contract says of a wrong request, and what the scheduler ends a work with. */
export async function scoreRequest(
  parts: ServingParts,
  model: ServedModel,
  request: ScoreRequest,
  scope: Scope,
): Promise<ScoreAnswer> {
  const move = request.move && request.context.kind === 'inline';
  // actions first: with a moved context, their memory is gone
  const actions = checkedActions(parts.limits, model.card, 'candidates', request.candidates, 1, move);
  const context = checkedContext(parts, model, request.context, move);
  return scoreActions(parts, model, { ...request, context, actions }, scope);
}

/** A request whose context and candidates were checked before. */
export interface CheckedRequest extends Omit<ScoreRequest, 'context' | 'candidates' | 'move'> {
  readonly context: ReturnType<typeof checkedContext>;
  readonly actions: ActionBatch;
  /** Takes the encoded context over, in use until it is released; not called where there was no room to hold it. */
  readonly pin?: (context: HeldContext) => void;
}

/** The same from there on. */
export async function scoreActions(
  parts: ServingParts,
  model: ServedModel,
  request: CheckedRequest,
  scope: Scope,
): Promise<ScoreAnswer> {
  const { actions } = request;
  const { card, calibration, quality } = model;
  const pool = checkedPool('options.pool', request.pool, card, actions.steps);
  const uncalibrated = request.raw || request.tau !== undefined || !isDeepStrictEqual(pool, card.pool);
  const correction = request.score === 'corrected' ? correctionOf(model, request, uncalibrated) : undefined;
  const options: EnergyOptions = {
    readout: card.readout,
    pool,
    score: request.score === 'corrected' ? correction!.score : request.score,
  };
  const compare =
    request.baseline === undefined
      ? undefined
      : comparedBaseline(model, request.baseline, uncalibrated ? undefined : request.score);
  const answer = calibration.answering({
    tau: checkedTau('options.tau', request.tau, card),
    raw: uncalibrated,
    score: options.score,
    episodeStep: request.episodeStep,
  });
  const select = checkedSelection(request, actions.candidates, compare);
  const slope =
    request.actionGradients === true
      ? slopeOf('options.action_gradients', request.score, pool, actions.steps)
      : undefined;
  const context = kept(parts, request);

  const hold = quality?.wants(actions.steps) === true;
  const submitted = submitWork(
    parts,
    scope,
    model,
    {
      contexts: [context],
      task: slope ? { kind: 'gradient', actions, slope } : { kind: 'score', actions },
      hold,
      pin: request.pin !== undefined,
    },
    request.decodeMs,
  );
  if (hold) submitted.catch((error: unknown) => quality?.forgo(toFault(error)));
  const result = await submitted;
  const [pinned] = result.pinned ?? [];
  if (pinned !== undefined) request.pin?.(pinned);

  const { raw, gradients } = slope ? withoutSlopes(rawOf(result), actions) : { raw: rawOf(result) };
  const all = energiesFromRaw(raw, actions.steps, options);
  const energies = correction ? await correction.apply(all.energies, actions.values) : all.energies;
  const order = rank(energies);
  const isCardEnergy = !correction && options.score === 'readout' && options.pool === card.pool;
  if (isCardEnergy) observeEnergies(parts, model, energies, order);
  const known = typeof request.known === 'function' ? await request.known(energies) : request.known;
  model.inputs?.chunk(chunkOf(actions, known?.index ?? order[0]!));
  quality?.observe({
    actions,
    raw,
    ...(isCardEnergy && { energies }),
    ...(known && { known }),
    ...(result.held && { held: result.held }),
  });
  const [keptContext] = result.kept;
  const answered = answer(all.energies);
  const [best] = order;
  const pValue = answered.pValues[best!];
  if (pValue !== undefined) parts.metrics.pValue.observe({ model: model.name }, pValue);
  return {
    ...answered,
    ...(correction && { probabilities: probabilities(energies, CORRECTED_TAU), tau: CORRECTED_TAU }),
    steps: all.steps,
    energies,
    shape: [actions.candidates, actions.steps],
    ...select(energies, order),
    ...(request.logits && { logits: logitsOf(raw, actions, options, all) }),
    ...(gradients && { actionGradients: gradients }),
    ...(request.keep && keptContext !== undefined && { kept: keptContext }),
    keepRefused: (request.keep && result.keepRefused?.message) ?? '',
    version: model.version,
    timings: timingsOf(result, scope),
  };
}

/** Of one candidate, [H, A]. */
function chunkOf({ values, candidates }: ActionBatch, index: number): Float32Array {
  const size = values.length / candidates;
  return values.subarray(index * size, (index + 1) * size);
}

/** Errors: `invalid` with an option that leaves the calibration out; `precondition` where it holds no density. */
function correctionOf(
  { calibration }: ServedModel,
  { raw, tau }: Pick<ScoreRequest, 'raw' | 'tau'>,
  uncalibrated: boolean,
): Correction {
  if (uncalibrated) {
    throw invalid('options.score', "the corrected score is the calibration's own", {
      found: `CORRECTED with ${raw ? 'raw' : tau === undefined ? "another pool than the card's" : 'tau'}`,
      wanted: "neither raw, nor tau, nor another pool than the card's",
    });
  }
  return calibration.correcting();
}

/** Pooled raw values: the energies themselves when those are what was asked for. */
function logitsOf(
  raw: Float32Array,
  { steps }: ActionBatch,
  options: EnergyOptions,
  all: Energies,
): Float64Array {
  return options.score === 'logit'
    ? all.energies
    : energiesFromRaw(raw, steps, { ...options, score: 'logit' }).energies;
}

function kept(
  { contexts }: Pick<ServingParts, 'contexts'>,
  { keep, context }: Pick<CheckedRequest, 'keep' | 'context'>,
): ContextRef {
  if (!keep) return context;
  if (context.kind === 'inline') return { ...context, keep: { leaseMs: keep.leaseMs || contexts.leaseMs } };
  throw invalid('options.keep_context', 'the context is kept already', {
    found: 'keep_context with context_id',
    wanted: 'keep_context with an inline context',
  });
}

/** What is told of the order, once there is one. Errors: `options.top_k`, `baseline_index`, the index of `known`. */
function checkedSelection(
  { topK, baseline, known }: Pick<ScoreRequest, 'topK' | 'baseline' | 'known'>,
  candidates: number,
  compare: ReturnType<typeof comparedBaseline> | undefined,
): (energies: Float64Array, order: Int32Array) => Pick<ScoreAnswer, 'ranking' | 'best' | 'baseline'> {
  if (topK > candidates) {
    throw invalid('options.top_k', 'more than there are candidates', {
      found: String(topK),
      wanted: `at most ${candidates}`,
    });
  }
  if (baseline !== undefined) checkedIndex('options.baseline_index', baseline, candidates);
  if (typeof known === 'object') checkedIndex(`options.${known.source}_index`, known.index, candidates);
  return (energies, order) => ({
    ranking: topK === 0 ? order : order.subarray(0, topK),
    best: order[0]!,
    ...(compare && { baseline: compare(energies, order) }),
  });
}

/** Of the candidates that are not the best, at most about this many are observed, evenly spread: it costs 1 us each. */
const OBSERVED_OTHERS = 32;

function observeEnergies(
  { metrics }: Pick<ServingParts, 'metrics'>,
  { name }: ServedModel,
  energies: Float64Array,
  order: Int32Array,
): void {
  const [best = 0, second] = order;
  if (second !== undefined) metrics.margin.observe({ model: name }, energies[second]! - energies[best]!);
  metrics.energy.observe({ model: name, candidate: 'best' }, energies[best]!);
  const stride = Math.ceil(energies.length / OBSERVED_OTHERS);
  for (let i = 0; i < energies.length; i += stride) {
    if (i !== best) metrics.energy.observe({ model: name, candidate: 'other' }, energies[i]!);
  }
}
