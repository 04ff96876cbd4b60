/**
 * The rule `refine` at work: each step of a descent is one work of a few chunks on the context that the scoring left pinned,
 * with others' turns between two steps. What of the server stands in the way ends the descent where it is.
 */
import type { HeldContext } from '../batching/work.js';
import { toFault } from '../errors.js';
import { energiesFromRaw, type Score } from '../model/energy.js';
import type { Without } from '../selection/reasons.js';
import {
  Descent,
  type DescentStart,
  type RefineEnd,
  type Refinement,
  type RefineSettings,
  type Trials,
} from '../selection/descent.js';
import { slopeOf, withoutSlopes } from './action-slopes.js';
import { rawOf, submitMore, type ServingParts, type Timings } from './admission.js';
import { without } from './in-time.js';
import type { Scope } from './scope.js';
import type { ServedModel } from './served-model.js';

const ENDS = { deadline: 'time', overload: 'room', engine: 'failed' } as const satisfies Record<
  Without['without'],
  RefineEnd
>;

/** What a request asks for. */
export interface Refining {
  readonly settings: RefineSettings;
  /** Which energy is to fall. */
  readonly score: Score;
}

/**
 * Moves a chunk. `context`: undefined when there was no room to pin it.
 * Errors: what the caller has given up; nothing else.
 */
export async function refineChunk(
  parts: ServingParts,
  model: ServedModel,
  scope: Scope,
  context: HeldContext | undefined,
  start: Omit<DescentStart, 'bounds'>,
  { settings, score }: Refining,
): Promise<{ readonly refinement: Refinement; readonly timings: Pick<Timings, 'queueMs' | 'scoreMs'> }> {
  const descent = new Descent({ ...start, bounds: model.card.actions.bounds }, settings);
  const timings = { queueMs: 0, scoreMs: 0 };
  if (context === undefined) return { refinement: descent.result('room'), timings };
  const options = { readout: model.card.readout, pool: model.card.pool, score };
  try {
    for (let asked = descent.next(); asked !== undefined; asked = descent.next()) {
      const contexts = [{ kind: 'held', held: context }] as const;
      const result = await submitMore(parts, scope, model, { contexts, task: taskOf(asked, model, score) });
      timings.queueMs += result.timings.queueMs;
      timings.scoreMs += result.timings.scoreMs;
      const values = rawOf(result);
      const { raw, gradients } = asked.gradient ? withoutSlopes(values, asked) : { raw: values };
      descent.learn(energiesFromRaw(raw, asked.steps, options).energies, gradients?.values);
    }
  } catch (error) {
    return { refinement: descent.result(ENDS[without(toFault(error)).without]), timings };
  }
  return { refinement: descent.result(), timings };
}

function taskOf(actions: Trials, { card }: ServedModel, score: Score) {
  if (!actions.gradient) return { kind: 'score', actions } as const;
  return { kind: 'gradient', actions, slope: slopeOf('score', score, card.pool, actions.steps) } as const;
}
