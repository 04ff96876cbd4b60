/**
 * What is decided on a call's headers, before a byte of its message is read: who calls, may they, and has any model room for
 * it. A refusal then costs neither the reading nor the decoding of a message, and a server that is asked for ten times what
 * it can do keeps its cores for what it accepted.
 */
import { ServerInterceptingCall, ServerListenerBuilder, type ServerInterceptor } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { QueueRefusal } from '../../batching/queue.js';
import { systemClock } from '../../batching/clock.js';
import { toFault, type Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { ServedModel } from '../../serving/served-model.js';
import type { TokenStore } from '../../serving/token-store.js';
import { authenticate } from './auth.js';
import { logEnd, type Callers } from './call-scope.js';
import { methodName, type MethodRules } from './method-rule.js';
import { requestIdOf } from './request-id.js';
import { callStatus } from './status.js';

export interface GateParts {
  readonly rules: MethodRules;
  readonly tokens: TokenStore | undefined;
  readonly callers: Callers;
  readonly models: { readonly models: readonly Pick<ServedModel, 'name' | 'scheduler'>[] };
  readonly metrics: Pick<Metrics, 'rejections'>;
  readonly log: Logger;
}

interface Refusal {
  /** Empty when there are several: which one was meant stands in the message. */
  readonly model: string;
  readonly reason: QueueRefusal;
  readonly fault: Fault;
}

/** Notes the caller for whoever handles the call, or refuses it. */
export function gate({ rules, tokens, callers, models, metrics, log }: GateParts): ServerInterceptor {
  return ({ path }, call) => {
    const rule = rules(path);
    return new ServerInterceptingCall(call, {
      start(next) {
        const startMs = systemClock.nowMs();
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, proceed) => {
            let model: string | undefined;
            try {
              const caller = authenticate(tokens, rule, metadata, call);
              const refusal = rule.queued ? refusalOf(models.models, caller.client) : undefined;
              if (refusal !== undefined) {
                ({ model } = refusal);
                metrics.rejections.inc({ model, reason: refusal.reason });
                throw refusal.fault;
              }
              callers.set(metadata, caller);
            } catch (error) {
              const fault = toFault(error);
              const requestId = requestIdOf(metadata);
              call.sendStatus(callStatus(fault, requestId));
              logEnd(log, { requestId, method: methodName(path), startMs, ...(model && { model }) }, fault);
              return;
            }
            proceed(metadata);
          })
          .build();
        next(listener);
      },
    });
  };
}

/** The refusal that waits for this client whatever model its message names; undefined when one has room. */
function refusalOf(models: GateParts['models']['models'], client: string): Refusal | undefined {
  let first: Refusal | undefined;
  for (const { name, scheduler } of models) {
    const refusal = scheduler.refusal(client);
    if (refusal === undefined) return undefined;
    first ??= { model: models.length === 1 ? name : '', ...refusal };
  }
  return first;
}
