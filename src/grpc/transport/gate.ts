/**
 * What is decided on a call's headers, before a byte of its message is read: who calls, may they, has any model room for it,
 * and can it be answered in time. A refusal then costs neither the reading nor the decoding of a message, and a server that is asked for ten times what
 * it can do keeps its cores for what it accepted.
 */
import { ServerInterceptingCall, ServerListenerBuilder, type ServerInterceptor } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { QueueRefusal } from '../../batching/queue.js';
import { lateFault } from '../../batching/refusals.js';
import { systemClock } from '../../batching/clock.js';
import { toFault, type Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { ExpectedWait, Pledge } from '../../serving/admission.js';
import type { ServedModel } from '../../serving/served-model.js';
import type { TokenStore } from '../../serving/token-store.js';
import type { Caller } from '../../serving/scope.js';
import { authenticate } from './auth.js';
import { logEnd, monotonicDeadline, type Callers } from './call-scope.js';
import type { CallTraces } from './call-traces.js';
import { methodName, type MethodRules } from './method-rule.js';
import { requestIdOf } from './request-id.js';
import type { StandingCalls } from './standing-calls.js';
import { callStatus } from './status.js';

export interface GateParts {
  readonly rules: MethodRules;
  readonly tokens: TokenStore | undefined;
  readonly callers: Callers;
  readonly traces: CallTraces;
  readonly standing: StandingCalls;
  readonly models: { readonly models: readonly Pick<ServedModel, 'name' | 'scheduler' | 'pace'>[] };
  readonly wait: ExpectedWait;
  readonly metrics: Pick<Metrics, 'rejections'>;
  readonly log: Logger;
}

interface Refusal {
  /** Empty when there are several: which one was meant stands in the message. */
  readonly model: string;
  /** `late`: it would be answered after its deadline. */
  readonly reason: QueueRefusal | 'late';
  readonly fault: Fault;
}

/** Notes the caller for whoever handles the call, or refuses it. */
export function gate(parts: GateParts): ServerInterceptor {
  const { rules, tokens, callers, standing, traces, wait, metrics, log } = parts;
  return ({ path, requestStream, responseStream }, call) => {
    const rule = rules(path);
    let pledge: Pledge | undefined;
    let leave = (): void => undefined;
    return new ServerInterceptingCall(call, {
      start(next) {
        const startMs = systemClock.nowMs();
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, proceed) => {
            let model: string | undefined;
            const refuse = (fault: Fault): void => {
              const requestId = requestIdOf(metadata);
              call.sendStatus(callStatus(fault, requestId));
              const trace = traces.of(metadata);
              const end = { requestId, method: methodName(path), startMs };
              logEnd(log, { ...end, ...(model && { model }), ...(trace && { trace }) }, fault);
            };
            const admit = (): Caller => authenticate(tokens, rule, metadata, call);
            try {
              const caller = admit();
              const refusal = rule.queued
                ? refusalOf(parts, caller.client, startMs, monotonicDeadline(call.getDeadline()))
                : undefined;
              if (refusal !== undefined) {
                ({ model } = refusal);
                metrics.rejections.inc({ model, reason: refusal.reason });
                throw refusal.fault;
              }
              if (rule.queued) {
                const own = (pledge = wait.pledge(startMs));
                callers.set(metadata, { ...caller, arrived: () => own.arrived(systemClock.nowMs()) });
              } else callers.set(metadata, caller);
            } catch (error) {
              refuse(toFault(error));
              return;
            }
            if (requestStream || responseStream) leave = standing.add({ admit, end: refuse });
            proceed(metadata);
          })
          .withOnCancel(() => {
            pledge?.end();
            leave();
          })
          .build();
        next(listener);
      },
      sendStatus(status, next) {
        pledge?.end();
        leave();
        next(status);
      },
    });
  };
}

/** The refusal that waits for this client whatever model its message names; undefined when one has room and time. */
function refusalOf(
  { models: { models }, wait }: GateParts,
  client: string,
  nowMs: number,
  deadlineMs: number,
): Refusal | undefined {
  const model = models.length === 1 ? models[0]!.name : '';
  const refusals = models.map(({ scheduler }) => scheduler.refusal(client));
  const [first] = refusals;
  if (first !== undefined && refusals.every((refusal) => refusal !== undefined)) return { model, ...first };
  const lateMs = nowMs + wait.answerMs(nowMs, models) - deadlineMs;
  return lateMs > 0 ? { model, reason: 'late', fault: lateFault(lateMs) } : undefined;
}
