/** ScoreActions, from message to request and from answer to message. */
import type { ScoreActionsRequest__Output } from '../../generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse } from '../../generated/action_energy/v1/ScoreActionsResponse.js';
import type { ScoreOptions__Output } from '../../generated/action_energy/v1/ScoreOptions.js';
import type { Baseline } from '../../generated/action_energy/v1/Baseline.js';
import type { Gate } from '../../generated/action_energy/v1/Gate.js';
import type { GateAnswer } from '../../selection/decide.js';
import type { ModelCard } from '../../model/card.js';
import { scoreRequest, type ScoreAnswer, type ScoreRequest } from '../../serving/scoring.js';
import type { Scope } from '../../serving/scope.js';
import { modelWithRoom, type ServingParts } from '../../serving/admission.js';
import type { Parsed } from '../../wire/request.js';
import { decodeFloatTensor, encodeFloat32 } from '../../wire/tensor-message.js';
import { chunkAxes, decodeInline, decodePool, decodeScore } from './inputs-message.js';
import { keptMessage } from './kept-contexts.js';

/** Errors: everything that the contract says of a wrong request, and what the scheduler ends a work with. */
export async function scoreActions(
  parts: ServingParts,
  request: Parsed<ScoreActionsRequest__Output>,
  scope: Scope,
): Promise<ScoreActionsResponse> {
  const model = modelWithRoom(parts, scope, request.message.model);
  const answer = await scoreRequest(parts, model, decodeScoreRequest(request, model.card), scope);
  return scoreMessage(answer, request.message.options);
}

/** Errors: what is malformed by itself. */
export function decodeScoreRequest(
  { message, move, decodeMs }: Parsed<ScoreActionsRequest__Output>,
  card: ModelCard,
): ScoreRequest {
  const { options } = message;
  const candidates = decodeFloatTensor('candidates', message.candidates, chunkAxes(card));
  const context =
    message.context === 'contextId'
      ? ({ kind: 'kept', field: 'context_id', id: message.contextId ?? '' } as const)
      : decodeInline('inline', message.inline, card);
  const pool = decodePool(options?.pool);
  return {
    context,
    candidates,
    move,
    decodeMs,
    score: decodeScore('options.score', options?.score),
    raw: options?.raw === true,
    topK: options?.topK ?? 0,
    logits: options?.logits === true,
    actionGradients: options?.actionGradients === true,
    ...(options?.keepContext && { keep: { leaseMs: options.keepContext.leaseMs } }),
    ...(pool && { pool }),
    ...(options?.tau !== undefined && { tau: Number(options.tau) }),
    ...(options?.episodeStep !== undefined && { episodeStep: Number(options.episodeStep) }),
    ...(options?.baselineIndex !== undefined && { baseline: options.baselineIndex }),
    ...(options?.known !== undefined && { known: decodeKnown(options) }),
  };
}

function decodeKnown({
  known,
  expertIndex,
  executedIndex,
}: ScoreOptions__Output): NonNullable<ScoreRequest['known']> {
  return known === 'expertIndex'
    ? { source: 'expert', index: expertIndex ?? 0 }
    : { source: 'executed', index: executedIndex ?? 0 };
}

function scoreMessage(
  answer: ScoreAnswer,
  options: ScoreOptions__Output | null | undefined,
): ScoreActionsResponse {
  return {
    energies: Array.from(answer.energies),
    probabilities: Array.from(answer.probabilities),
    pValues: Array.from(answer.pValues),
    tau: answer.tau,
    ranking: Array.from(answer.ranking),
    bestIndex: answer.best,
    ...(options?.perStep === true && {
      stepEnergies: encodeFloat32(answer.shape, Float32Array.from(answer.steps)),
    }),
    ...(answer.logits && { logits: Array.from(answer.logits) }),
    ...(answer.actionGradients && {
      actionGradients: encodeFloat32(answer.actionGradients.shape, answer.actionGradients.values),
    }),
    ...(answer.kept && { context: keptMessage(answer.kept) }),
    keepRefused: answer.keepRefused,
    ...(answer.baseline && { baseline: baselineMessage(answer.baseline) }),
    model: { ...answer.version, calibrationVersion: answer.calibrationVersion },
    timings: answer.timings,
  };
}

function baselineMessage({ gate, ...rest }: NonNullable<ScoreAnswer['baseline']>): Baseline {
  return gate === undefined ? rest : { ...rest, gate: gateMessage(gate) };
}

export function gateMessage({ accepted, wanted, found }: GateAnswer): Gate {
  return { accepted, marginWanted: wanted, marginFound: found };
}
