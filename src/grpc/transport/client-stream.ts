/** A method that takes a stream and answers once: the counterpart of `unary` in call.ts. */
import type { handleClientStreamingCall } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { abortFault } from '../../batching/refusals.js';
import { Fault, toFault } from '../../errors.js';
import type { Decoded } from '../../wire/request.js';
import type { Scope } from '../../serving/scope.js';
import { logEnd, scopeOf, type CallParts } from './call-scope.js';
import { callStatus } from './status.js';
import { requestIdOf } from './request-id.js';

/**
 * `handle` reads the messages one by one; the client is held back meanwhile. The scope's signal aborts when the client
 * leaves, at the deadline, and (as `unavailable`) when the server stops: such calls last too long to be waited for.
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
    const run = async (): Promise<void> => {
      let scope: Scope | undefined;
      let end = (): void => undefined;
      try {
        scope = scopeOf(parts, call, method, abort.signal);
        end = parts.calls.begin();
        stopping.addEventListener('abort', onStopping, { once: true });
        const response = await handle(messagesOf(call, abort.signal), scope);
        callback(null, response);
        logEnd(parts.log, scope);
      } catch (error) {
        const fault = toFault(error);
        const requestId = requestIdOf(call.metadata);
        callback(callStatus(fault, requestId));
        logEnd(parts.log, scope ?? { requestId, method, startMs: systemClock.nowMs() }, fault);
      } finally {
        stopping.removeEventListener('abort', onStopping);
        end();
      }
    };
    if (call.cancelled) abort.abort();
    call.on('cancelled', () => abort.abort());
    call.on('error', () => undefined); // what ends the stream reaches the loop that reads it
    void run();
  };
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
