/** What requests cost a server, measured from outside by callers that always have the next request ready. */
import type { Model__Output } from '../generated/action_energy/v1/Model.js';
import type { Costs } from '../planning/fleet.js';
import { runClosedLoop, type ClosedLoopResult, summarize } from './load-loops.js';
import type { EnergyClient } from './energy-client.js';
import { randomRequests, type RandomRequests, type RequestShape } from './random-requests.js';

export interface MeasureOptions {
  /** The server's own model when empty. */
  readonly model: string;
  readonly shape: RequestShape;
  /** Of each of the `PARTS` parts. */
  readonly partMs: number;
  readonly timeoutMs: number;
  /** A part is done. */
  readonly onPart?: () => void;
}

export const PARTS = 5;

/** Callers that keep the engine busy: while it runs a batch, the next gathers. */
const CALLERS = 8;
/** A slope over candidates wants at least so many. */
const LEAST_CANDIDATES = 16;

/**
 * The time between two answers of a server that always has work is what a request costs it: one candidate, many, and many with a
 * fresh context give the three costs; one caller alone gives what its answer takes beyond that. Errors: those of the calls.
 */
export async function measureCosts(
  client: EnergyClient,
  { model, shape, partMs, timeoutMs, onPart }: MeasureOptions,
): Promise<Costs> {
  const settings = { timeoutMs };
  const served = await client.getModel(model, settings);
  const many = Math.max(LEAST_CANDIDATES, shape.candidates);
  const requests = requestsFor(served, { ...shape, candidates: many });
  const single = requestsFor(served, { ...shape, candidates: 1 });
  const contexts = await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      const put = { model, context: requests.context, leaseMs: served.limits?.leaseMs ?? 0 };
      return (await client.putContext(put, settings)).context!.contextId;
    }),
  );
  let sent = 0;
  const part = async (callers: number, from: RandomRequests, kept: boolean): Promise<ClosedLoopResult> => {
    const result = await runClosedLoop(callers, partMs, () => {
      const contextId = kept ? contexts[sent % CALLERS] : undefined;
      return client.score({ model, ...from.score(sent++, contextId) }, settings);
    });
    onPart?.();
    return result;
  };
  try {
    await part(CALLERS, requests, true); // warms up
    const alone = await part(1, requests, true);
    const one = 1000 / (await part(CALLERS, single, true)).perSecond;
    const kept = 1000 / (await part(CALLERS, requests, true)).perSecond;
    const fresh = 1000 / (await part(CALLERS, requests, false)).perSecond;
    const candidateMs = Math.max(0, (kept - one) / (many - 1));
    return {
      contextMs: Math.max(0, fresh - kept),
      candidateMs,
      requestMs: Math.max(0, one - candidateMs),
      latencyMs: Math.max(0, summarize(alone.latenciesMs).p50Ms - kept),
    };
  } finally {
    await Promise.allSettled(contexts.map((contextId) => client.dropContext({ model, contextId }, settings)));
  }
}

function requestsFor(served: Model__Output, shape: RequestShape): RandomRequests {
  const steps = served.chunk === 0 ? shape.steps : served.chunk;
  return randomRequests(served, { ...shape, steps });
}
