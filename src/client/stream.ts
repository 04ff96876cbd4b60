/** The client's end of ScoreActionsStream: each request is a promise, answered in any order. */
import type { Client, ClientDuplexStream, Metadata, ServiceError } from '@grpc/grpc-js';
import { Fault } from '../errors.js';
import type { ScoreActionsRequest } from '../generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse__Output } from '../generated/action_energy/v1/ScoreActionsResponse.js';
import type { ScoreActionsStreamRequest } from '../generated/action_energy/v1/ScoreActionsStreamRequest.js';
import type { ScoreActionsStreamResponse__Output } from '../generated/action_energy/v1/ScoreActionsStreamResponse.js';
import { contract } from '../wire/contract.js';
import { AFFINITY_HEADER, type CallSettings } from './call.js';
import { faultOfError, faultOfStatus } from './faults.js';

type Duplex = ClientDuplexStream<ScoreActionsStreamRequest, ScoreActionsStreamResponse__Output>;

interface Waiting {
  readonly resolve: (response: ScoreActionsResponse__Output) => void;
  readonly reject: (fault: Fault) => void;
}

export class ScoreStream {
  readonly #stream: Duplex;
  readonly #waiting = new Map<string, Waiting>();
  #nextId = 1;
  #end: Fault | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (answer: ScoreActionsStreamResponse__Output) => this.#settle(answer));
    stream.on('error', (error: ServiceError) => this.#fail(faultOfError(error)));
    stream.on('end', () => this.#fail(new Fault('unavailable', 'the stream has ended')));
  }

  /** Requests without an answer. */
  get outstanding(): number {
    return this.#waiting.size;
  }

  /** No further request is taken: the server ended the stream, or it failed. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /**
   * Errors: those of ScoreActions, for this request alone; `superseded`; whatever ended the stream. `supersede`: this
   * request takes the place of earlier ones that opted in too and still wait. `timeoutMs`: of this request.
   */
  score(
    request: ScoreActionsRequest,
    { supersede = false, timeoutMs = 0 }: { readonly supersede?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<ScoreActionsResponse__Output> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const requestId = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(String(requestId), { resolve, reject });
      this.#stream.write({ requestId, request, supersede, timeoutMs });
    });
  }

  /** No more requests; what waits is still answered. */
  end(): void {
    this.#stream.end();
  }

  /** Ends the stream at once. */
  cancel(): void {
    this.#stream.cancel();
  }

  #settle({ requestId, outcome, response, error, superseded }: ScoreActionsStreamResponse__Output): void {
    const waiting = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    if (outcome === 'response' && response) waiting?.resolve(response);
    else if (outcome === 'error' && error) waiting?.reject(faultOfStatus(error));
    else {
      const newer = superseded?.byRequestId ?? 'a newer one';
      waiting?.reject(new Fault('superseded', `superseded by request ${newer}`));
    }
  }

  #fail(fault: Fault): void {
    this.#end ??= fault;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}

export function openScoreStream(
  client: Client,
  metadata: Metadata,
  { timeoutMs, signal, affinity }: Pick<CallSettings, 'timeoutMs' | 'signal' | 'affinity'>,
): ScoreStream {
  const { path, requestSerialize, responseDeserialize } = contract.energy.ScoreActionsStream;
  const own = metadata.clone();
  if (affinity !== undefined) own.set(AFFINITY_HEADER, affinity);
  const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  const stream: Duplex = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    own,
    options,
  );
  if (signal !== undefined) {
    const cancel = (): void => stream.cancel();
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    stream.on('close', () => signal.removeEventListener('abort', cancel));
  }
  return new ScoreStream(stream);
}
