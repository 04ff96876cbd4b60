/** One unary call as a promise, with its deadline, its AbortSignal, and retries where the server asks for them. */
import type { CallOptions, Client, Metadata } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { Fault } from '../errors.js';
import { faultOfError } from './faults.js';

export interface CallSettings {
  /** From now on, all attempts together; absent: none. It is also the deadline of the place in the server's queue. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Appears in the server's log. */
  readonly requestId?: string;
  /** Behind a proxy that hashes `x-affinity-key`, calls with the same key reach the same server, where a kept context is. */
  readonly affinity?: string;
  /** How often to try again when the server is full and says when. Default 3. */
  readonly retries?: number;
}

const DEFAULT_RETRIES = 3;

/** What deploy/kubernetes/components/proxy/envoy.yaml hashes. */
export const AFFINITY_HEADER = 'x-affinity-key';

export type UnaryMethod<Request, Response> = Pick<
  MethodDefinition<Request, unknown, unknown, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

/**
 * Errors: a `Fault` of the kind that the server threw; `cancelled` when the signal aborts; `deadline` when the time is
 * up. A fault with `retryAfterMs` is tried again after that time, if the deadline leaves it.
 */
export async function callUnary<Request, Response>(
  client: Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
  base: Metadata,
  { timeoutMs, signal, requestId, affinity, retries = DEFAULT_RETRIES }: CallSettings = {},
): Promise<Response> {
  const deadlineMs = timeoutMs === undefined ? Infinity : Date.now() + timeoutMs;
  const metadata = base.clone();
  if (requestId !== undefined) metadata.set('x-request-id', requestId);
  if (affinity !== undefined) metadata.set(AFFINITY_HEADER, affinity);
  for (let attempt = 0; ; attempt++) {
    try {
      return await once(client, method, request, metadata, deadlineMs, signal);
    } catch (error) {
      const waitMs = error instanceof Fault ? error.retryAfterMs : undefined;
      if (waitMs === undefined || attempt >= retries || Date.now() + waitMs >= deadlineMs) throw error;
      await pause(waitMs, signal);
    }
  }
}

function once<Request, Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: UnaryMethod<Request, Response>,
  request: Request,
  metadata: Metadata,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelledFault(signal));
      return;
    }
    const cancel = (): void => call.cancel();
    const options: CallOptions = deadlineMs === Infinity ? {} : { deadline: deadlineMs };
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (error, response) => {
        signal?.removeEventListener('abort', cancel);
        if (error === null) resolve(response as Response);
        else reject(signal?.aborted === true ? cancelledFault(signal) : faultOfError(error));
      },
    );
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

function cancelledFault(signal: AbortSignal): Fault {
  return new Fault('cancelled', 'the caller gave up', { cause: signal.reason });
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(cancelledFault(signal!));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
