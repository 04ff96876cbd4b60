/** A method that takes one message and answers once. */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { deadlineFault } from '../../batching/refusals.js';
import { toFault } from '../../errors.js';
import type { Scope } from '../../serving/scope.js';
import { measureRespond } from '../../serving/admission.js';
import type { Decoded, Parsed } from '../../wire/request.js';
import { isLate, logEnd, scopeOf, type CallParts } from './call-scope.js';
import { requestIdOf } from './request-id.js';
import { callStatus } from './status.js';

/** `handle` translates, this does everything around it. The scope's signal aborts when the client leaves or the deadline passes. */
export function unary<Request, Response>(
  parts: CallParts,
  method: string,
  handle: (request: Parsed<Request>, scope: Scope) => Promise<Response> | Response,
): handleUnaryCall<Decoded<Request>, Response> {
  return (call, callback) => {
    const abort = new AbortController();
    if (call.cancelled) abort.abort();
    // grpc-js ends a call at its deadline by itself, and tells of it as of any other end
    call.on('cancelled', () => abort.abort(isLate(call) ? deadlineFault() : undefined));
    const run = async (): Promise<void> => {
      let scope: Scope | undefined;
      let end = (): void => undefined;
      try {
        scope = scopeOf(parts, call, method, abort.signal);
        end = parts.calls.begin();
        if (!call.request.ok) throw call.request.fault;
        callback(null, await handle(call.request, scope));
        measureRespond(parts, scope);
        logEnd(parts.log, scope);
      } catch (error) {
        const fault = toFault(error);
        const requestId = requestIdOf(call.metadata);
        callback(callStatus(fault, requestId));
        logEnd(parts.log, scope ?? { requestId, method, startMs: systemClock.nowMs() }, fault);
      } finally {
        end();
      }
    };
    void run();
  };
}
