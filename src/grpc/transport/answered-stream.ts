/** A method that takes a stream and answers its messages one after the other. */
import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { abortFault, deadlineFault } from '../../batching/reports.js';
import { Fault, toFault } from '../../errors.js';
import type { Scope } from '../../serving/scope.js';
import type { Decoded } from '../../wire/request.js';
import { isLate, logEnd, requestIdOf, scopeOf, type CallParts } from './call-scope.js';
import { callStatus } from './status.js';

/**
 * `handle` reads the messages and yields answers, each of which the client takes before the next message is read. The scope's signal
 * aborts when the client leaves, at the deadline, and (as `unavailable`) when the server stops; the wait for a message ends then.
 */
export function answeredStream<Request, Response>(
  parts: CallParts,
  method: string,
  handle: (messages: AsyncIterable<Decoded<Request>>, scope: Scope) => AsyncIterable<Response>,
): handleBidiStreamingCall<Decoded<Request>, Response> {
  return (call) => {
    const abort = new AbortController();
    const { stopping } = parts.calls;
    const onStopping = (): void =>
      abort.abort(new Fault('unavailable', 'the server is stopping', { mend: 'Try another replica' }));
    const run = async (): Promise<void> => {
      let scope: Scope | undefined;
      let end = (): void => undefined;
      try {
        scope = scopeOf(parts, call, method, abort.signal);
        end = parts.calls.begin();
        stopping.addEventListener('abort', onStopping, { once: true });
        const messages = messagesOf<Decoded<Request>>(call, abort.signal);
        for await (const response of handle(messages, scope)) await written(call, response, abort.signal);
        call.end();
        logEnd(parts.log, scope);
      } catch (error) {
        const fault = toFault(error);
        const requestId = requestIdOf(call.metadata);
        call.emit('error', callStatus(fault, requestId));
        logEnd(parts.log, scope ?? { requestId, method, startMs: systemClock.nowMs() }, fault);
      } finally {
        stopping.removeEventListener('abort', onStopping);
        end();
      }
    };
    if (call.cancelled) abort.abort();
    call.on('cancelled', () => abort.abort(isLate(call) ? deadlineFault() : undefined));
    call.on('error', () => undefined); // what ends the stream reaches the loop that reads it
    void run();
  };
}

/** Resolves when the client has it. Errors: the signal's reason. */
function written<Response>(
  call: ServerDuplexStream<unknown, Response>,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  return unlessAborted(signal, new Promise<void>((resolve) => call.write(response, () => resolve())));
}

async function* messagesOf<Message>(
  call: ServerDuplexStream<Message, unknown>,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  // the answers go out on the same stream: it must outlive its messages
  const stream = call.iterator({ destroyOnReturn: false }) as AsyncIterator<Message, undefined>;
  for (;;) {
    const next = await unlessAborted(signal, stream.next());
    if (next.done === true) return;
    yield next.value;
  }
}

/** Waits, but not beyond the signal, whose reason it then rejects with. Leaves no listener behind. */
async function unlessAborted<T>(signal: AbortSignal, waiting: Promise<T>): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortFault(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
