/** SelectAction, from message to request and from answer to message. */
import { invalid } from '../../errors.js';
import type { Refined } from '../../generated/action_energy/v1/Refined.js';
import type { Rule as RuleMessage, Rule__Output } from '../../generated/action_energy/v1/Rule.js';
import type { SelectActionRequest__Output } from '../../generated/action_energy/v1/SelectActionRequest.js';
import type { SelectActionResponse } from '../../generated/action_energy/v1/SelectActionResponse.js';
import type { ModelCard } from '../../model/card.js';
import type { Decision, Fallback } from '../../selection/decide.js';
import type { RefineEnd, Refinement } from '../../selection/descent.js';
import type { NamedRule } from '../../selection/rules.js';
import type { Scope } from '../../serving/scope.js';
import * as serving from '../../serving/selecting.js';
import { modelOf, type ServingParts } from '../../serving/admission.js';
import type { Parsed } from '../../wire/request.js';
import { decodeFloatTensor, encodeFloat32 } from '../../wire/tensor-message.js';
import { chunkAxes, decodeInline, decodeScore } from '../energy/inputs-message.js';
import { keptMessage } from '../energy/kept-contexts.js';
import { gateMessage } from '../energy/score-actions.js';

/** Errors: everything that the contract says of a wrong request. A model without room is no error here. */
export async function selectAction(
  parts: ServingParts,
  request: Parsed<SelectActionRequest__Output>,
  scope: Scope,
): Promise<SelectActionResponse> {
  const model = modelOf(parts, scope, request.message.model);
  return answerMessage(await serving.selectAction(parts, model, decodeRequest(request, model.card), scope));
}

function decodeRequest(
  { message, move, decodeMs }: Parsed<SelectActionRequest__Output>,
  card: ModelCard,
): serving.SelectRequest {
  const { keepContext, score, refinement, episodeStep, episodeId, taskId } = message;
  const candidates = decodeFloatTensor('candidates', message.candidates, chunkAxes(card));
  const context =
    message.context === 'contextId'
      ? ({ kind: 'kept', field: 'context_id', id: message.contextId ?? '' } as const)
      : decodeInline('inline', message.inline, card);
  return {
    context,
    candidates,
    move,
    decodeMs,
    baseline: message.baselineIndex,
    rule: decodeRule('rule', message.rule),
    ungated: message.ungated,
    timeoutMs: message.timeoutMs,
    ...(score !== undefined && score !== 'SCORE_UNSPECIFIED' && { score: decodeScore('score', score) }),
    ...(refinement && {
      refinement: {
        steps: refinement.steps,
        stepLength: Number(refinement.stepLength),
        trustRadius: Number(refinement.trustRadius),
        dims: refinement.dims,
      },
    }),
    ...(keepContext && { keep: { leaseMs: keepContext.leaseMs } }),
    ...(episodeStep !== undefined && { episodeStep: Number(episodeStep) }),
    ...(episodeId !== undefined && { episode: Number(episodeId) }),
    ...(taskId !== undefined && { task: Number(taskId) }),
  };
}

const RULES: Readonly<Record<Rule__Output, NamedRule | 'auto'>> = {
  RULE_UNSPECIFIED: 'auto',
  AUTO: 'auto',
  ENERGY: 'energy',
  ENERGY_MEAN: 'energy_mean',
  CONSENSUS: 'consensus',
  CONSENSUS_MEAN: 'consensus_mean',
  CONSENSUS_OF_BEST: 'consensus_of_best',
  REFINE: 'refine',
};

function decodeRule(field: string, rule: Rule__Output): NamedRule | 'auto' {
  if (Object.hasOwn(RULES, rule)) return RULES[rule];
  throw invalid(field, 'unknown rule', {
    found: String(rule),
    wanted: Object.keys(RULES).slice(1).join(', '),
  });
}

const RULE_NAMES = {
  auto: 'AUTO',
  energy: 'ENERGY',
  energy_mean: 'ENERGY_MEAN',
  consensus: 'CONSENSUS',
  consensus_mean: 'CONSENSUS_MEAN',
  consensus_of_best: 'CONSENSUS_OF_BEST',
  refine: 'REFINE',
} as const satisfies Record<NamedRule | 'auto', RuleMessage>;

const ORIGINS = {
  candidate: 'CANDIDATE',
  average: 'AVERAGE',
  baseline: 'BASELINE',
  refined: 'REFINED',
} as const satisfies Record<Decision['origin'], SelectActionResponse['origin']>;

const FALLBACKS = {
  deadline: 'DEADLINE',
  overload: 'OVERLOAD',
  engine: 'ENGINE',
  not_calibrated: 'NOT_CALIBRATED',
  must_not_choose: 'MUST_NOT_CHOOSE',
  gate_closed: 'GATE_CLOSED',
  gate_refused: 'GATE_REFUSED',
  control: 'CONTROL',
} as const satisfies Record<Fallback, SelectActionResponse['fallback']>;

const ENDS = {
  steps: 'STEPS',
  lowest: 'LOWEST',
  time: 'TIME',
  room: 'ROOM',
  failed: 'FAILED',
} as const satisfies Record<RefineEnd, string>;

function refinedMessage({ startEnergy, energy, stepsTaken, displacement, end }: Refinement): Refined {
  return { startEnergy, energy, stepsTaken, displacement, end: ENDS[end] };
}

function answerMessage(answer: serving.SelectAnswer): SelectActionResponse {
  const { decision, shape, consensus } = answer;
  return {
    action: encodeFloat32(shape, decision.chunk),
    origin: ORIGINS[decision.origin],
    candidateIndex: decision.index,
    rule: RULE_NAMES[decision.rule],
    fallback: decision.fallback === undefined ? 'NONE' : FALLBACKS[decision.fallback],
    reason: decision.reason,
    energies: Array.from(answer.energies),
    weights: Array.from(decision.weights),
    consensus: {
      index: consensus.index,
      action: encodeFloat32(shape, consensus.chunk),
      modes: consensus.modes,
    },
    ...(decision.gate && { gate: gateMessage(decision.gate) }),
    ...(decision.refinement && { refinement: refinedMessage(decision.refinement) }),
    ...(answer.kept && { context: keptMessage(answer.kept) }),
    keepRefused: answer.keepRefused,
    model: { ...answer.version, calibrationVersion: answer.calibrationVersion },
    timings: answer.timings,
    requestId: answer.requestId,
  };
}
