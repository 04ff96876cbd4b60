/** ScoreActions: a request becomes work, the raw steps become a ranking. */
import { systemClock } from '../../batching/clock.js';
import type { ContextRef, WorkResult } from '../../batching/work.js';
import type { Config } from '../../config/schema.js';
import type { KeptContext } from '../../batching/context-cache.js';
import { Fault, invalid } from '../../errors.js';
import type { KeptContext as KeptContextMessage } from '../../generated/action_energy/v1/KeptContext.js';
import type { ScoreActionsRequest__Output } from '../../generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse } from '../../generated/action_energy/v1/ScoreActionsResponse.js';
import type { ScoreOptions__Output } from '../../generated/action_energy/v1/ScoreOptions.js';
import type { Timings } from '../../generated/action_energy/v1/Timings.js';
import type { Metrics } from '../../metrics/metrics.js';
import { energiesFromRaw, rank } from '../../model/energy.js';
import type { Observed } from '../../quality/live-quality.js';
import { encodeFloat32 } from '../../wire/tensor.js';
import { decodeActions } from './actions-message.js';
import { submitWork, type Parsed, type Scope } from '../transport/unary.js';
import { decodeContext, keptContext, type DecodedContext } from './context-message.js';
import type { ModelRegistry } from '../../serving/model-registry.js';
import { decodeAnswer } from '../../serving/calibrated-answer.js';
import { decodeEnergyOptions, isCardEnergy } from './options-message.js';
import type { ServedModel } from '../../serving/served-model.js';

export interface EnergyParts {
  readonly models: ModelRegistry;
  readonly metrics: Metrics;
  readonly limits: Config['limits'];
  readonly contexts: Config['contexts'];
}

/** The model of a request, noted in its scope. Errors: `not_found`, `precondition`. */
export function modelOf(parts: Pick<EnergyParts, 'models'>, scope: Scope, name: string): ServedModel {
  const model = parts.models.get(name);
  scope.model = model.name;
  return model;
}

/** The same for a request that becomes work: one that finds no room is refused before it is decoded. Errors: `exhausted`. */
export function modelWithRoom(
  parts: Pick<EnergyParts, 'models' | 'metrics'>,
  scope: Scope,
  name: string,
): ServedModel {
  const model = modelOf(parts, scope, name);
  const refusal = model.scheduler.refusal(scope.caller.client);
  if (refusal === undefined) return model;
  parts.metrics.rejections.inc({ model: model.name, reason: refusal.reason });
  throw refusal.fault;
}

export function countTokens(metrics: Metrics, model: ServedModel, { tokens, masked }: DecodedContext): void {
  metrics.tokens.inc({ model: model.name, kind: 'visible' }, tokens - masked);
  metrics.tokens.inc({ model: model.name, kind: 'masked' }, masked);
}

export function timingsOf({ timings }: WorkResult, scope: Scope): Timings {
  return { ...timings, totalMs: systemClock.nowMs() - scope.startMs };
}

/** A lease from the wire; 0 is the default, and the cache cuts what is too long. */
export function leaseOf(contexts: Config['contexts'], leaseMs: number): number {
  return leaseMs === 0 ? contexts.leaseMs : leaseMs;
}

/** Expiry leaves as wall-clock time. */
export function keptMessage({ id, bytes, expiresAtMs }: KeptContext): KeptContextMessage {
  const wallMs = Date.now() + expiresAtMs - systemClock.nowMs();
  return { contextId: id, bytes, expiresAtMs: Math.round(wallMs) };
}

/** Errors: everything that the contract says of a wrong request, and what the scheduler ends a work with. */
export async function scoreActions(
  parts: EnergyParts,
  { message, move: movable, decodeMs }: Parsed<ScoreActionsRequest__Output>,
  scope: Scope,
): Promise<ScoreActionsResponse> {
  const model = modelWithRoom(parts, scope, message.model);
  const { card } = model;
  const { options } = message;
  // actions first: with a moved context, their memory is gone
  const move = movable && message.context === 'inline';
  const actions = decodeActions('candidates', message.candidates, 1, card, parts.limits, move);
  const energyOptions = decodeEnergyOptions('options.', options?.pool, options?.score, card, actions.steps);
  const answer = decodeAnswer(options, energyOptions, card, model.calibration.current);
  const { topK, baseline, known } = decodeSelection(options, actions.candidates);
  const context = decodeSource(parts, message, model, move);

  const hold = model.quality.wants(actions.steps);
  const submitted = submitWork(
    parts.metrics,
    scope,
    model,
    { contexts: [context], actions, hold },
    decodeMs + systemClock.nowMs() - scope.startMs,
  );
  if (hold) submitted.catch(() => model.quality.forgo());
  const result = await submitted;

  const raw = rawOf(result);
  model.quality.observe({
    actions,
    raw,
    ...(known && { known }),
    ...(result.held && { held: result.held }),
  });
  const { energies, steps } = energiesFromRaw(raw, actions.steps, energyOptions);
  const order = rank(energies);
  const best = order[0] ?? 0;
  if (isCardEnergy(card, energyOptions)) observeEnergies(parts.metrics, model, energies, order);
  const [kept] = result.kept;
  const { probabilities, pValues, tau, calibrationVersion } = answer(energies);
  return {
    energies: Array.from(energies),
    probabilities: Array.from(probabilities),
    pValues: Array.from(pValues),
    tau,
    ranking: Array.from(order.subarray(0, topK)),
    bestIndex: best,
    ...(options?.perStep === true && {
      stepEnergies: encodeFloat32([actions.candidates, actions.steps], Float32Array.from(steps)),
    }),
    ...(options?.logits === true && {
      logits: Array.from(energiesFromRaw(raw, actions.steps, { ...energyOptions, score: 'logit' }).energies),
    }),
    ...(options?.keepContext && kept !== undefined && { context: keptMessage(kept) }),
    keepRefused: result.keepRefused?.message ?? '',
    ...(baseline !== undefined && {
      baseline: {
        index: baseline,
        energy: energies[baseline]!,
        rank: order.indexOf(baseline),
        advantage: energies[baseline]! - energies[best]!,
      },
    }),
    model: { ...model.version, calibrationVersion },
    timings: timingsOf(result, scope),
  };
}

/** Raw steps of a work that had actions. */
export function rawOf({ raw }: WorkResult): Float32Array {
  if (raw === undefined) throw new Fault('internal', 'a scored work came back without raw steps');
  return raw;
}

function decodeSource(
  parts: EnergyParts,
  message: ScoreActionsRequest__Output,
  model: ServedModel,
  move: boolean,
): ContextRef {
  const keep = message.options?.keepContext;
  if (message.context === 'contextId') {
    if (keep) {
      throw invalid('options.keep_context', 'the context is kept already', {
        found: 'keep_context with context_id',
        wanted: 'keep_context with an inline context',
      });
    }
    return keptContext('context_id', message.contextId);
  }
  const decoded = decodeContext('inline', message.inline, model.card, parts.limits.tokens, move);
  countTokens(parts.metrics, model, decoded);
  const { encode } = decoded;
  if (!keep) return { kind: 'inline', encode };
  return { kind: 'inline', encode, keep: { leaseMs: leaseOf(parts.contexts, keep.leaseMs) } };
}

function decodeSelection(
  options: ScoreOptions__Output | null | undefined,
  candidates: number,
): {
  readonly topK: number;
  readonly baseline: number | undefined;
  readonly known: Observed['known'] | undefined;
} {
  const topK = options?.topK ?? 0;
  if (topK > candidates) {
    throw invalid('options.top_k', 'more than there are candidates', {
      found: String(topK),
      wanted: `at most ${candidates}`,
    });
  }
  const baseline = options?.baselineIndex;
  if (baseline !== undefined && baseline >= candidates) {
    throw invalid('options.baseline_index', 'no such candidate', {
      found: String(baseline),
      wanted: `below ${candidates}`,
    });
  }
  return { topK: topK === 0 ? candidates : topK, baseline, known: decodeKnown(options, candidates) };
}

function decodeKnown(
  options: ScoreOptions__Output | null | undefined,
  candidates: number,
): Observed['known'] | undefined {
  if (options?.known === undefined) return undefined;
  const source = options.known === 'expertIndex' ? 'expert' : 'executed';
  const index = (source === 'expert' ? options.expertIndex : options.executedIndex) ?? 0;
  if (index < candidates) return { source, index };
  throw invalid(`options.${source}_index`, 'no such candidate', {
    found: String(index),
    wanted: `below ${candidates}`,
  });
}

/** Of the candidates that are not the best, at most about this many are observed, evenly spread: it costs 1 us each. */
const OBSERVED_OTHERS = 32;

function observeEnergies(
  metrics: Metrics,
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
