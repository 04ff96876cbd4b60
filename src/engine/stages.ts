/** What the engine's stages share: the model at hand, encoded contexts, and the faults of a stage. */
import type { Tensor as OrtTensor } from './onnx-runtime.js';
import type { EnergyGraphs } from '../energy/graphs.js';
import { Fault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Precision } from './engine.js';
import type { KeptQueries } from './kept-queries.js';
import type { Scratch } from './memory.js';
import type { Sessions, SlopePrograms } from './sessions.js';

/** The tensors whose finiteness is watched, in the order of the computation (the report, section 2.5). */
export type Stage =
  | 'hidden'
  | 'actions'
  | 'context_mapped'
  | 'action_mapped'
  | 'attention'
  | 'raw_steps'
  | 'energy'
  | 'action_gradient';

export interface LoadedModel {
  readonly card: ModelCard;
  readonly graphs: EnergyGraphs;
  readonly sessions: Sessions;
  readonly precision: Precision;
  readonly scratch: Scratch;
  readonly queries: KeptQueries;
  readonly slopes: SlopePrograms;
}

/** A context as `attend` reads it. */
export interface EncodedContext {
  readonly tensors: Readonly<Record<string, OrtTensor>>;
  /** What the tensors hold, and nothing else. */
  readonly memory: readonly ArrayBuffer[];
  readonly bytes: number;
}

/** A non-finite value met at `stage` for one item; `where` says which token, candidate, step or dim. */
export function notFinite(stage: Stage, where: string, value?: number): Fault {
  const given = stage === 'hidden' || stage === 'actions';
  return new Fault('invalid', given ? 'the input is not finite' : 'a result is not finite', {
    field: stage,
    found: `${value === undefined ? 'a value that is not finite' : String(value)} at ${where}`,
    wanted: 'finite values',
    mend: given
      ? 'Check what the policy produced before it was sent'
      : 'The input is finite, so look at its scale and at the weights: `action-energy doctor` probes both',
  });
}

/** Index of the first value that is not finite, or -1. */
export function firstNonFinite(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
