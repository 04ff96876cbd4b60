/**
 * ScoreActionsStream: one stream, many requests, each answered when it is ready.
 *
 * Invariants: every message that is read is answered exactly once, unless the client leaves; at most `streamOutstanding`
 * requests have no answer in the client's hands (a request counts until its answer is flushed, so a client that does not
 * read stops being read); a request is superseded only while it waits for the engine, which the scheduler decides.
 */
import { status as Code, type ServerDuplexStream, type handleBidiStreamingCall } from '@grpc/grpc-js';
import { systemClock } from '../../batching/clock.js';
import { Fault, invalid, toFault } from '../../errors.js';
import type { ScoreActionsStreamRequest__Output } from '../../generated/action_energy/v1/ScoreActionsStreamRequest.js';
import type { ScoreActionsStreamResponse } from '../../generated/action_energy/v1/ScoreActionsStreamResponse.js';
import type { Decoded, Parsed } from '../../wire/request.js';
import type { Scope } from '../../serving/scope.js';
import { measureRespond, type ServingParts } from '../../serving/admission.js';
import { endTrace, logEnd, requestIdOf, scopeOf, type CallParts } from '../transport/call-scope.js';
import { callStatus, codeOf, publicStatus } from '../transport/status.js';
import { scoreActions } from './score-actions.js';

type Message = Decoded<ScoreActionsStreamRequest__Output>;
type Call = ServerDuplexStream<Message, ScoreActionsStreamResponse>;

interface Outstanding {
  readonly id: string;
  readonly abort: AbortController;
  readonly supersedable: boolean;
  supersededBy?: string;
}

export function scoreActionsStream(
  parts: CallParts & ServingParts,
  method: string,
): handleBidiStreamingCall<Message, ScoreActionsStreamResponse> {
  return (call) => {
    try {
      const scope = scopeOf(parts, call, method, new AbortController().signal);
      const end = parts.calls.begin();
      new ScoreStream(parts, call, scope, end).start();
    } catch (error) {
      call.emit('error', callStatus(toFault(error), requestIdOf(call.metadata)));
    }
  };
}

class ScoreStream {
  readonly #parts: CallParts & ServingParts;
  readonly #call: Call;
  readonly #countOut: () => void;
  /** Of the whole stream. */
  readonly #scope: Scope;
  readonly #outstanding = new Set<Outstanding>();
  #messages = 0;
  #inputEnded = false;
  #over = false;

  constructor(parts: CallParts & ServingParts, call: Call, scope: Scope, countOut: () => void) {
    this.#parts = parts;
    this.#call = call;
    this.#countOut = countOut;
    this.#scope = scope;
  }

  start(): void {
    const { stopping } = this.#parts.calls;
    const onStopping = (): void => this.#advance();
    const leave = (): void => {
      if (this.#over) return;
      this.#over = true;
      stopping.removeEventListener('abort', onStopping);
      for (const { abort } of this.#outstanding) abort.abort();
      this.#countOut();
    };
    stopping.addEventListener('abort', onStopping);
    this.#call.on('data', (message: Message) => this.#receive(message));
    this.#call.on('end', () => {
      this.#inputEnded = true;
      this.#advance();
    });
    this.#call.on('cancelled', leave);
    this.#call.on('error', leave);
    this.#call.on('finish', leave);
    if (this.#call.cancelled) leave();
  }

  #receive(decoded: Message): void {
    if (this.#over) return;
    const id = decoded.ok ? decoded.message.requestId : '0';
    const item: Outstanding = {
      id,
      abort: new AbortController(),
      supersedable: decoded.ok && decoded.message.supersede,
    };
    const duplicate = decoded.ok && [...this.#outstanding].some((other) => other.id === id);
    if (!duplicate && item.supersedable) this.#supersedeBefore(item);
    this.#outstanding.add(item);
    if (this.#outstanding.size >= this.#parts.limits.streamOutstanding) this.#call.pause();
    void this.#answer(item, decoded, duplicate);
  }

  /** Whatever still waits and opted in ends; what runs already does not hear of it. */
  #supersedeBefore(newer: Outstanding): void {
    for (const older of this.#outstanding) {
      if (!older.supersedable || older.abort.signal.aborted) continue;
      older.supersededBy = newer.id;
      older.abort.abort(new Fault('superseded', `superseded by request ${newer.id}`));
    }
  }

  /** Never rejects. */
  async #answer(item: Outstanding, decoded: Message, duplicate: boolean): Promise<void> {
    const whole = this.#scope;
    const requestId = `${whole.requestId}/${++this.#messages}`;
    const startMs = systemClock.nowMs();
    const trace = whole.trace?.child(
      'ScoreActionsStream message',
      { 'action_energy.request_id': requestId },
      startMs - (decoded.ok ? decoded.decodeMs : 0),
    );
    const scope: Scope = {
      ...whole,
      requestId,
      signal: item.abort.signal,
      deadlineMs: deadlineOf(whole, decoded),
      startMs,
      ...(trace && { trace }),
    };
    let outcome: Omit<ScoreActionsStreamResponse, 'requestId'>;
    let fault: Fault | undefined;
    try {
      this.#parts.calls.refuseWhenStopping();
      if (!decoded.ok) throw decoded.fault;
      if (duplicate)
        throw invalid('request_id', 'a request with this id has no answer yet', { found: item.id });
      outcome = { response: await scoreActions(this.#parts, innerRequest(decoded), scope) };
    } catch (error) {
      fault = toFault(error);
      outcome =
        fault.kind === 'superseded'
          ? { superseded: { byRequestId: item.supersededBy ?? '0' } }
          : { error: publicStatus(fault, scope.requestId) };
    }
    logEnd(this.#parts.log, scope, fault);
    this.#send(item, { requestId: item.id, ...outcome });
    if (fault === undefined) measureRespond(this.#parts, scope);
    endTrace(scope.trace, fault === undefined ? Code.OK : codeOf(fault.kind));
  }

  #send(item: Outstanding, response: ScoreActionsStreamResponse): void {
    const flushed = (): void => {
      this.#outstanding.delete(item);
      this.#advance();
    };
    if (this.#over) flushed();
    else this.#call.write(response, flushed);
  }

  /** Reads on when there is room, and ends the stream when nothing is left to answer. */
  #advance(): void {
    if (this.#over) return;
    const stopping = this.#parts.calls.stopping.aborted;
    if (this.#outstanding.size === 0 && (this.#inputEnded || stopping)) {
      if (this.#inputEnded) this.#call.end();
      else this.#call.emit('error', callStatus(stoppingFault(), this.#scope.requestId));
      return;
    }
    if (this.#outstanding.size < this.#parts.limits.streamOutstanding) this.#call.resume();
  }
}

function deadlineOf({ deadlineMs }: Scope, decoded: Message): number {
  if (!decoded.ok || decoded.message.timeoutMs === 0) return deadlineMs;
  return Math.min(deadlineMs, systemClock.nowMs() + decoded.message.timeoutMs);
}

function stoppingFault(): Fault {
  return new Fault('unavailable', 'the server is stopping', {
    mend: 'Open the stream again on another replica',
  });
}

function innerRequest(
  decoded: Parsed<ScoreActionsStreamRequest__Output>,
): Parameters<typeof scoreActions>[1] {
  const { request } = decoded.message;
  if (request === null)
    throw invalid('request', 'missing', { found: 'nothing', wanted: 'a ScoreActionsRequest' });
  return { ...decoded, message: request };
}
