/** Every context by every chunk, with the in-batch metrics when square. */
import { swapInfoNce, type InfoNce } from '../energy/losses.js';
import { invalid } from '../errors.js';
import type { Pool } from '../model/card.js';
import { energiesFromRaw, type Score } from '../model/energy.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  checkedActions,
  checkedContexts,
  checkedPool,
  checkedTau,
  type ContextInput,
} from './checked-inputs.js';
import type { Scope } from './scope.js';
import type { ModelVersion, ServedModel } from './served-model.js';
import { rawOf, submitWork, timingsOf, type ServingParts, type Timings } from './admission.js';

export interface MatrixRequest {
  readonly contexts: readonly ContextInput[]; // B
  /** [M, H, A]. */
  readonly actions: Tensor;
  /** The memory of contexts and actions may be given away. */
  readonly move: boolean;
  readonly pool?: Pool;
  readonly score: Score;
  readonly tau?: number;
  /** What parsing the message took. */
  readonly decodeMs: number;
}

export interface MatrixAnswer {
  /** [B, M]. */
  readonly energies: Float64Array;
  readonly shape: readonly [contexts: number, chunks: number];
  /** With B = M of at least 2, chunk i being the right one for context i. */
  readonly metrics?: InfoNce;
  readonly version: ModelVersion;
  readonly timings: Timings;
}

/** Errors: `contexts` a number of contexts that the server does not take. */
export function checkedCount({ limits }: Pick<ServingParts, 'limits'>, contexts: number): number {
  if (contexts >= 1 && contexts <= limits.contexts) return contexts;
  throw invalid('contexts', 'wrong number of contexts', {
    found: String(contexts),
    wanted: `1 to ${limits.contexts}`,
  });
}

/** Errors: everything that the contract says of a wrong request, and what the scheduler ends a work with. */
export async function matrixRequest(
  parts: ServingParts,
  model: ServedModel,
  request: MatrixRequest,
  scope: Scope,
): Promise<MatrixAnswer> {
  const { card } = model;
  const rows = checkedCount(parts, request.contexts.length); // B
  // a message's memory can be given away once, so only with a single context
  const move = request.move && rows === 1;
  const actions = checkedActions(parts.limits, card, 'actions', request.actions, rows, move);
  const pool = checkedPool('pool', request.pool, card, actions.steps);
  const tau = checkedTau('tau', request.tau, card);
  const contexts = checkedContexts(parts, model, request.contexts, move);
  const result = await submitWork(
    parts,
    scope,
    model,
    { contexts, task: { kind: 'score', actions } },
    request.decodeMs,
  );
  const columns = actions.candidates; // M
  const options = { readout: card.readout, pool, score: request.score };
  const { energies } = energiesFromRaw(rawOf(result), actions.steps, options);
  return {
    energies,
    shape: [rows, columns],
    ...(rows === columns && rows >= 2 && { metrics: swapInfoNce(energies, rows, tau) }),
    version: model.version,
    timings: timingsOf(result, scope),
  };
}
