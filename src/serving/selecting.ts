/**
 * The choice of a chunk for a robot: what the calibration allows, energies in time, gate and rule. Bad input is an error;
 * whatever else keeps energies away leads to an answer all the same, since a control loop must go on.
 */
import { randomInt } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KeptContext } from '../batching/context-cache.js';
import { systemClock } from '../batching/clock.js';
import type { HeldContext } from '../batching/work.js';
import { invalid } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import type { Recorder } from '../recording/recorder.js';
import type { RecordedRow } from '../recording/row-file.js';
import type { Samples } from '../selection/average.js';
import { actionTraits, chunkOf } from '../selection/candidates.js';
import { BYTES_PER_ELEMENT } from '../tensor/tensor.js';
import { decide, plan, refined, type Decision } from '../selection/decide.js';
import type { Without } from '../selection/reasons.js';
import { refineSettings, type RefineRequest } from '../selection/descent.js';
import { applyRule, comparing, type Choice, type NamedRule } from '../selection/rules.js';
import { checkedActions, checkedContext, checkedIndex } from './checked-inputs.js';
import { inTime } from './in-time.js';
import { refineChunk, type Refining } from './refining.js';
import { scoreActions, type ScoreRequest } from './scoring.js';
import type { Scope } from './scope.js';
import type { ModelVersion, ServedModel } from './served-model.js';
import type { ServingParts, Timings } from './admission.js';

/** A request as it was sent. */
export interface SelectRequest extends Pick<
  ScoreRequest,
  'context' | 'keep' | 'candidates' | 'move' | 'episodeStep' | 'decodeMs'
> {
  readonly baseline: number;
  readonly rule: NamedRule | 'auto';
  /** Of the rule `refine` alone; absent: all defaults. */
  readonly refinement?: RefineRequest;
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
  const refine = refining(request, model);
  const move = request.move && request.context.kind === 'inline';
  // first: with a moved context, the memory of the candidates is gone
  const actions = checkedActions(parts.limits, card, 'candidates', request.candidates, 1, move);
  checkedIndex('baseline_index', request.baseline, actions.candidates);
  const context = checkedContext(parts, model, request.context, move);
  const recorded = recordable(parts, model, request, context);

  const score = refine?.score ?? request.score ?? calibration.choosingScore;
  if (score === 'corrected') calibration.correcting(); // a wrong request fails whatever rule or time there is
  const terms = calibration.choosing(score);
  const gateOpen = terms?.gate === undefined || decisions.isOpen(terms.version, terms.gate.bound);
  const planned = plan(request, terms, gateOpen);
  const isControl = decisions.isControl(request.episode);
  let decision: Decision | undefined;
  let pinned: HeldContext | undefined;

  const scoring =
    planned.kind === 'baseline'
      ? undefined
      : inTime(parts, model, request, scope, async (inner) => {
          const known = async (energies: Float64Array) => {
            decision = decide(planned, (await compared).samples, energies, isControl);
            return decision.origin === 'average' || (refine && decision.fallback === undefined)
              ? undefined
              : ({ source: 'executed', index: decision.index } as const);
          };
          // what a correction needs of the calibration, nothing else of it is asked for
          const how = { score, raw: score !== 'corrected', topK: 0, logits: false, known };
          const pin = refine && { pin: (held: HeldContext) => void (pinned = held) };
          const answer = await scoreActions(
            parts,
            model,
            { ...request, ...how, ...pin, context, actions },
            inner,
          );
          if (refine === undefined || decision === undefined || decision.fallback !== undefined)
            return answer;
          const { chunk, index } = decision;
          const { units } = (await compared).samples.metric;
          const start = { chunk, energy: answer.energies[index]!, units };
          const { refinement, timings } = await refineChunk(parts, model, inner, pinned, start, refine);
          decision = refined(decision, refinement);
          return { ...answer, timings: later(answer.timings, timings, scope) };
        }).finally(() => {
          if (pinned !== undefined) model.scheduler.release([pinned]);
        });
  const compared = compareByTurns(actions, actionTraits(card), request.baseline); // while the engine runs
  const [{ samples, consensus }, scored] = await Promise.all([compared, scoring]);
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

/** Over several turns of the event loop where there are many. */
async function compareByTurns(...asked: Parameters<typeof comparing>): Promise<{
  readonly samples: Samples;
  readonly consensus: Choice;
}> {
  const work = comparing(...asked);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return { samples: value, consensus: applyRule('consensus', value) };
    await nextTurn();
  }
}

/**
 * How the rule `refine` moves a chunk, and by which score; undefined: another rule. What the calibration chooses by is taken
 * where it has a gradient. Errors: `refinement`.
 */
function refining(
  { rule, refinement, score: asked }: SelectRequest,
  { card, calibration }: ServedModel,
): Refining | undefined {
  if (rule !== 'refine') return undefined;
  const score = asked ?? calibration.choosingScore;
  return {
    settings: refineSettings(refinement ?? {}, card),
    score: score === 'corrected' ? 'readout' : score,
  };
}

/** Errors: options that contradict each other, ids and times that are none. */
function checkOptions({
  context,
  keep,
  rule,
  score,
  refinement,
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
  if (refinement !== undefined && rule !== 'refine') {
    contradiction(
      'refinement',
      'only REFINE moves a chunk',
      `refinement with ${rule.toUpperCase()}`,
      'REFINE',
    );
  }
  if (rule === 'refine' && score === 'corrected') {
    contradiction(
      'score',
      'the corrected score has no gradient',
      'CORRECTED with REFINE',
      'READOUT or LOGIT',
    );
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
  const isCandidate = origin === 'candidate' || origin === 'baseline';
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
    executed: isCandidate ? index : undefined,
    trial,
    calibrationVersion: calibration.version,
    ...(recording && {
      onOutcome: (outcome) => {
        if (outcome === undefined) return recording.finish(undefined);
        const { executed } = outcome;
        const isChosen = executed === undefined || (executed === index && isCandidate);
        const other = isChosen ? undefined : chunkOf(actions, executed);
        return recording.finish(1 - outcome.cost, other);
      },
    }),
  });
}

/** With what more work took. */
function later(
  first: Timings,
  { queueMs, scoreMs }: Pick<Timings, 'queueMs' | 'scoreMs'>,
  { startMs }: Scope,
): Timings {
  return {
    queueMs: first.queueMs + queueMs,
    encodeMs: first.encodeMs,
    scoreMs: first.scoreMs + scoreMs,
    totalMs: systemClock.nowMs() - startMs,
  };
}

/** Of an answer that no work was done for. */
function noWork({ startMs }: Scope): Timings {
  return { queueMs: 0, encodeMs: 0, scoreMs: 0, totalMs: systemClock.nowMs() - startMs };
}
