/** What surrounds the handler of a call: its scope, its end in log and status, and the signal that it ends by. */
import type { handleClientStreamingCall, handleUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { abortFault, deadlineFault } from '../../batching/reports.js';
import { discard } from '../../engine/memory.js';
import { Fault, toFault } from '../../errors.js';
import type { Scope } from '../../serving/scope.js';
import { measureRespond } from '../../serving/admission.js';
import type { Decoded, Parsed } from '../../wire/request.js';
import { isLate, logEnd, requestIdOf, scopeOf, type CallParts } from './call-scope.js';
import { callStatus } from './status.js';

/**
 * A method that takes one message and answers once. `handle` translates, this does everything around it. The scope's signal
 * aborts when the client leaves or the deadline passes.
 */
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
    void answer(parts, method, call, abort.signal, callback, (scope) => {
      if (!call.request.ok) throw call.request.fault;
      return handle(call.request, scope);
    }).then((fault) => {
      if (fault?.kind === 'invalid') discardRefused(call.request);
    });
  };
}

/** A message that was refused is needed no more; one whose context went to the engine is empty already. */
function discardRefused<Request>(request: Decoded<Request>): void {
  if (request.ok && request.move && request.memory.byteLength > 0) discard([request.memory as ArrayBuffer]);
}

/**
 * A method that takes a stream and answers once. `handle` reads the messages one by one; the client is held back meanwhile.
 * The scope's signal aborts when the client leaves, at the deadline, and (as `unavailable`) when the server stops: such
 * calls last too long to be waited for.
 */
export function clientStream<Request, Response>(
  parts: CallParts,
  method: string,
  handle: (messages: AsyncIterable<Request>, scope: Scope) => Promise<Response>,
): handleClientStreamingCall<Decoded<Request>, Response> {
  return (call, callback) => {
    const abort = new AbortController();
    const { stopping } = parts.calls;
    const onStopping = (): void => {
      abort.abort(new Fault('unavailable', 'the server is stopping', { mend: 'Try another replica' }));
      call.destroy(); // ends the wait for the next message
    };
    if (call.cancelled) abort.abort();
    call.on('cancelled', () => abort.abort());
    call.on('error', () => undefined); // what ends the stream reaches the loop that reads it
    void answer(parts, method, call, abort.signal, callback, async (scope) => {
      stopping.addEventListener('abort', onStopping, { once: true });
      try {
        return await handle(messagesOf(call, abort.signal), scope);
      } finally {
        stopping.removeEventListener('abort', onStopping);
      }
    });
  };
}

/** Makes the scope, counts the call, and answers with what `handle` returns or with its fault, which it resolves with. */
async function answer<Response>(
  parts: CallParts,
  method: string,
  call: Parameters<typeof scopeOf>[1],
  signal: AbortSignal,
  callback: sendUnaryData<Response>,
  handle: (scope: Scope) => Promise<Response> | Response,
): Promise<Fault | undefined> {
  let scope: Scope | undefined;
  let end = (): void => undefined;
  try {
    scope = scopeOf(parts, call, method, signal);
    end = parts.calls.begin();
    callback(null, await handle(scope));
    measureRespond(parts, scope);
    logEnd(parts.log, scope);
    return undefined;
  } catch (error) {
    const fault = toFault(error);
    const requestId = requestIdOf(call.metadata);
    callback(callStatus(fault, requestId));
    logEnd(parts.log, scope ?? { requestId, method, startMs: systemClock.nowMs() }, fault);
    return fault;
  } finally {
    end();
  }
}

async function* messagesOf<Request>(
  call: AsyncIterable<Decoded<Request>>,
  signal: AbortSignal,
): AsyncGenerator<Request> {
  try {
    for await (const decoded of call) {
      if (!decoded.ok) throw decoded.fault;
      yield decoded.message;
    }
  } catch (error) {
    if (signal.aborted) throw abortFault(signal);
    throw error;
  }
  if (signal.aborted) throw abortFault(signal);
}
