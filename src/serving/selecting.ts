/**
 * The choice of a chunk for a robot: what the calibration allows, energies in time, gate and rule. Bad input is an error;
 * whatever else keeps energies away leads to an answer all the same, since a control loop must go on.
 */
import { randomInt } from 'node:crypto';
import type { KeptContext } from '../batching/context-cache.js';
import { systemClock } from '../batching/clock.js';
import { deadlineFault } from '../batching/refusals.js';
import type { Stage } from '../engine/stages.js';
import { invalid, toFault, type Fault } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import type { Recorder } from '../recording/recorder.js';
import type { RecordedRow } from '../recording/row-file.js';
import { actionTraits, chunkOf } from '../selection/candidates.js';
import { BYTES_PER_ELEMENT } from '../tensor/tensor.js';
import { decide, plan, type Decision, type Without } from '../selection/decide.js';
import { applyRule, samplesOf, type Choice, type Rule } from '../selection/rules.js';
import { checkedActions, checkedContext, checkedIndex } from './checked-inputs.js';
import { scoreActions, type ScoreAnswer, type ScoreRequest } from './scoring.js';
import type { Scope } from './scope.js';
import type { ModelVersion, ServedModel } from './served-model.js';
import type { ServingParts, Timings } from './admission.js';

/** A request as it was sent. */
export interface SelectRequest extends Pick<
  ScoreRequest,
  'context' | 'keep' | 'candidates' | 'move' | 'episodeStep' | 'decodeMs'
> {
  readonly baseline: number;
  readonly rule: Rule | 'auto';
  /** Absent: the score that the calibration found better. */
  readonly score?: ChoiceScore;
  readonly ungated: boolean;
  /** Answer within this time; 0: well before the call's deadline. */
  readonly timeoutMs: number;
  readonly episode?: number;
  readonly task?: number;
}

export interface SelectAnswer {
  readonly decision: Decision;
  readonly shape: readonly [steps: number, dims: number];
  /** [N]; empty: there are none. */
  readonly energies: Float64Array;
  readonly consensus: Pick<Choice, 'chunk' | 'index'> & { readonly modes: number };
  readonly kept?: KeptContext;
  readonly keepRefused: string;
  readonly version: ModelVersion;
  /** Of the calibration that was asked; empty: none was. */
  readonly calibrationVersion: string;
  readonly timings: Timings;
  /** Names the decision for its outcome. */
  readonly requestId: string;
}

/** Errors: everything that the contract says of a wrong request; `not_found` a kept context that is gone; `cancelled`. */
export async function selectAction(
  parts: ServingParts,
  model: ServedModel,
  request: SelectRequest,
  scope: Scope,
): Promise<SelectAnswer> {
  const { card, calibration, decisions } = model;
  checkOptions(request);
  const move = request.move && request.context.kind === 'inline';
  // first: with a moved context, the memory of the candidates is gone
  const actions = checkedActions(parts.limits, card, 'candidates', request.candidates, 1, move);
  checkedIndex('baseline_index', request.baseline, actions.candidates);
  const context = checkedContext(parts, model, request.context, move);
  const recorded = recordable(parts, model, request, context);

  const score = request.score ?? calibration.choosingScore;
  if (score === 'corrected') calibration.correcting(); // a wrong request fails whatever rule or time there is
  const terms = calibration.choosing(score);
  const gateOpen = terms?.gate === undefined || decisions.isOpen(terms.version, terms.gate.bound);
  const planned = plan(request, terms, gateOpen);
  const isControl = decisions.isControl(request.episode);
  let decision: Decision | undefined;

  const scoring =
    planned.kind === 'baseline'
      ? undefined
      : inTime(parts, model, request, scope, (inner) => {
          const known = (energies: Float64Array) => {
            decision = decide(planned, samples, energies, isControl);
            return decision.origin === 'average'
              ? undefined
              : ({ source: 'executed', index: decision.index } as const);
          };
          // what a correction needs of the calibration, nothing else of it is asked for
          const how = { score, raw: score !== 'corrected', topK: 0, logits: false, known };
          return scoreActions(parts, model, { ...request, ...how, context, actions }, inner);
        });
  const samples = samplesOf(actions, actionTraits(card), request.baseline); // while the engine runs
  const consensus = applyRule('consensus', samples);
  const scored = await scoring;
  const answer = scored !== undefined && 'energies' in scored ? scored : undefined;
  decision ??= decide(planned, samples, (scored ?? { without: 'engine' }) as Without, isControl);

  parts.metrics.selections.inc({
    model: model.name,
    rule: decision.rule,
    result: decision.fallback ?? decision.origin,
  });
  return {
    decision,
    shape: [actions.steps, card.action_dim],
    energies: answer?.energies ?? new Float64Array(0),
    consensus: { chunk: consensus.chunk, index: consensus.index, modes: samples.modes.count },
    ...(answer?.kept && { kept: answer.kept }),
    keepRefused:
      answer?.keepRefused ?? (request.keep ? `the context was not encoded: ${decision.reason}` : ''),
    version: model.version,
    calibrationVersion: (!request.ungated && terms?.version) || '',
    timings: answer?.timings ?? noWork(scope),
    requestId: remember(model, request, actions, decision, recorded, scope),
  };
}

/** Errors: options that contradict each other, ids and times that are none. */
function checkOptions({
  context,
  keep,
  rule,
  score,
  ungated,
  episodeStep,
  episode,
  task,
}: SelectRequest): void {
  const contradiction = (field: string, summary: string, found: string, wanted: string): never => {
    throw invalid(field, summary, { found, wanted });
  };
  if (keep && context.kind === 'kept') {
    contradiction(
      'keep_context',
      'the context is kept already',
      'keep_context with context_id',
      'keep_context with an inline context',
    );
  }
  if (rule === 'auto' && ungated) {
    contradiction('ungated', 'AUTO asks the calibration', 'ungated with AUTO', 'a rule by name, or the gate');
  }
  if (rule === 'auto' && score !== undefined) {
    contradiction('score', 'AUTO takes the score that was calibrated', 'score with AUTO', 'one of the two');
  }
  if (episodeStep !== undefined && !Number.isFinite(episodeStep)) {
    contradiction('episode_step', 'not a time', String(episodeStep), 'a finite number');
  }
  for (const [field, id] of [
    ['episode_id', episode],
    ['task_id', task],
  ] as const) {
    if (id !== undefined && !Number.isSafeInteger(id)) {
      contradiction(field, 'too large to be told from its neighbours', String(id), 'below 2^53');
    }
  }
}

/** Of the time until the deadline, this is left for the way back to the caller. */
const RESERVE_SHARE = 0.2;
const LEAST_RESERVE_MS = 1;
const MOST_RESERVE_MS = 20;

/** When the answer must be known, on `systemClock`; Infinity without any deadline. */
function decideByMs({ timeoutMs, decodeMs }: SelectRequest, { startMs, deadlineMs }: Scope): number {
  const left = Math.max(0, deadlineMs - startMs);
  const reserve = Math.min(MOST_RESERVE_MS, Math.max(LEAST_RESERVE_MS, RESERVE_SHARE * left));
  const asked = timeoutMs === 0 ? Infinity : startMs - decodeMs + timeoutMs;
  return Math.min(asked, deadlineMs - reserve);
}

/**
 * Scores unless something of the server is in the way; what that is comes back as a value. Errors: what is the caller's to mend.
 */
async function inTime(
  parts: ServingParts,
  model: ServedModel,
  request: SelectRequest,
  scope: Scope,
  score: (inner: Scope) => Promise<ScoreAnswer>,
): Promise<ScoreAnswer | Without> {
  const byMs = decideByMs(request, scope);
  const refusal = model.scheduler.refusal(scope.caller.client);
  if (refusal !== undefined) {
    parts.metrics.rejections.inc({ model: model.name, reason: refusal.reason });
    return without(refusal.fault);
  }
  // what still waits, or runs, when the time is up ends then
  const late = new AbortController();
  const leave = (): void => late.abort(scope.signal.reason);
  scope.signal.addEventListener('abort', leave);
  if (scope.signal.aborted) leave();
  const cancel =
    byMs === Infinity
      ? undefined
      : systemClock.setTimer(byMs - systemClock.nowMs(), () => late.abort(deadlineFault()));
  const inner: Scope = { ...scope, deadlineMs: byMs, signal: late.signal };
  try {
    return await score(inner);
  } catch (error) {
    return without(toFault(error));
  } finally {
    cancel?.();
    scope.signal.removeEventListener('abort', leave);
    if (inner.resultMs !== undefined) scope.resultMs = inner.resultMs;
  }
}

/** Stages at which a value that is not finite is the model's, not the caller's. */
const RESULTS: readonly string[] = [
  'context_mapped',
  'action_mapped',
  'attention',
  'raw_steps',
] satisfies Stage[];

/** The fault as the reason of an answer. Rethrows what the caller can mend, or has given up. */
function without(fault: Fault): Without {
  const { kind, field, summary } = fault;
  switch (kind) {
    case 'deadline':
      return { without: 'deadline' };
    case 'exhausted':
      return { without: 'overload', detail: summary };
    case 'unavailable':
    case 'internal':
      return { without: 'engine' };
    case 'invalid':
      if (field === undefined || !(RESULTS.includes(field) || field.startsWith('energy['))) throw fault;
      return { without: 'engine', detail: `${field}: ${summary}` };
    default:
      throw fault;
  }
}

/** What a recording needs of the context, before its memory moves to the engine; undefined: not to be recorded. */
interface RecordedContext {
  readonly hidden: RecordedRow['hidden'];
  readonly recorder: Recorder;
}

function recordable(
  { recorder }: ServingParts,
  { decisions, card }: ServedModel,
  { episode }: SelectRequest,
  context: ReturnType<typeof checkedContext>,
): RecordedContext | undefined {
  if (recorder === undefined || context.kind !== 'inline') return undefined;
  if (!recorder.wants(decisions.draw('record', episode))) return undefined;
  const { dtype, bytes, visible } = context.encode;
  const rowBytes = card.state_dim * BYTES_PER_ELEMENT[dtype];
  const tokens = visible.map(([start, end]) => bytes.subarray(start * rowBytes, end * rowBytes));
  return { hidden: { dtype, bytes: Buffer.concat(tokens) }, recorder };
}

/** Keeps in mind what an outcome will be about, and begins to record it. */
function remember(
  { name, decisions, calibration, card }: ServedModel,
  { episode, episodeStep: step, task, baseline }: SelectRequest,
  actions: ActionBatch,
  { origin, index, chunk, gate, fallback }: Decision,
  recorded: RecordedContext | undefined,
  { caller }: Scope,
): string {
  const trial = gate?.accepted !== true ? undefined : fallback === 'control' ? 'control' : 'choice';
  const recording = recorded?.recorder.begin(name, {
    hidden: recorded.hidden,
    stateDim: card.state_dim,
    perVector: card.architecture === 'global_context',
    candidates: actions,
    baseline,
    executed: chunk,
    episode: episode ?? randomInt(2 ** 47, 2 ** 48 - 1),
    step,
    task,
  });
  return decisions.remember({
    owner: caller.owner,
    episode,
    candidates: actions.candidates,
    executed: origin === 'average' ? undefined : index,
    trial,
    calibrationVersion: calibration.version,
    ...(recording && {
      onOutcome: (outcome) => {
        if (outcome === undefined) return recording.finish(undefined);
        const { executed } = outcome;
        const other = executed === undefined || executed === index ? undefined : chunkOf(actions, executed);
        return recording.finish(1 - outcome.cost, other);
      },
    }),
  });
}

/** Of an answer that no work was done for. */
function noWork({ startMs }: Scope): Timings {
  return { queueMs: 0, encodeMs: 0, scoreMs: 0, totalMs: systemClock.nowMs() - startMs };
}
