/**
 * Refuses a call on its headers when no model has room for it. The refusal then costs neither the reading nor the decoding of
 * a message, and a server that is asked for ten times what it can do keeps its cores for what it accepted.
 */
import { ServerInterceptingCall, ServerListenerBuilder, type ServerInterceptor } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { QueueRefusal } from '../../batching/queue.js';
import { systemClock } from '../../batching/clock.js';
import type { Fault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import { contract } from '../../wire/contract.js';
import type { Callers } from './auth.js';
import { callerOf, logEnd } from './unary.js';
import { callStatus } from './status.js';
import { requestIdOf } from './request-id.js';
import type { ServedModel } from '../../serving/served-model.js';

/** Methods whose one message becomes one work in a model's queue. */
const METHODS: ReadonlyMap<string, string> = new Map(
  (['ScoreActions', 'PutContext', 'EnergyMatrix'] as const).map((name) => [contract.energy[name].path, name]),
);

export interface AdmissionParts {
  readonly models: { readonly models: readonly Pick<ServedModel, 'name' | 'scheduler'>[] };
  readonly callers: Callers;
  readonly metrics: Pick<Metrics, 'rejections'>;
  readonly log: Logger;
}

interface Refusal {
  /** Empty when there are several: which one was meant stands in the message. */
  readonly model: string;
  readonly reason: QueueRefusal;
  readonly fault: Fault;
}

/** Comes after `authInterceptor`, which notes who calls. */
export function admissionInterceptor({ models, callers, metrics, log }: AdmissionParts): ServerInterceptor {
  return ({ path }, call) => {
    const method = METHODS.get(path);
    if (method === undefined) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start(next) {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, proceed) => {
            const refusal = refusalOf(models.models, callerOf(callers, metadata).client);
            if (refusal === undefined) {
              proceed(metadata);
              return;
            }
            const { model, reason, fault } = refusal;
            const requestId = requestIdOf(metadata);
            call.sendStatus(callStatus(fault, requestId));
            metrics.rejections.inc({ model, reason });
            logEnd(log, { requestId, method, model, startMs: systemClock.nowMs() }, fault);
          })
          .build();
        next(listener);
      },
    });
  };
}

/** The refusal that waits for this client whatever model its message names; undefined when one has room. */
function refusalOf(models: AdmissionParts['models']['models'], client: string): Refusal | undefined {
  let first: Refusal | undefined;
  for (const { name, scheduler } of models) {
    const refusal = scheduler.refusal(client);
    if (refusal === undefined) return undefined;
    first ??= { model: models.length === 1 ? name : '', ...refusal };
  }
  return first;
}
