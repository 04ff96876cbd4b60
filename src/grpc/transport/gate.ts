/**
 * What is decided on a call's headers, before a byte of its message is read: who calls, may they, has any model room for it,
 * and can it be answered in time. A refusal then costs neither the reading nor the decoding of a message, and a server that is
 * asked for ten times what it can do keeps its cores for what it accepted.
 */
import {
  ServerInterceptingCall,
  ServerListenerBuilder,
  status as Code,
  type ServerInterceptor,
  type Metadata,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { systemClock } from '../../batching/clock.js';
import { lateFault } from '../../batching/reports.js';
import type { QueueRefusal } from '../../batching/queue.js';
import { Fault, toFault } from '../../errors.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { ExpectedWait, Pledge } from '../../serving/admission.js';
import type { Caller } from '../../serving/scope.js';
import type { ServedModel } from '../../serving/served-model.js';
import type { Permission, TokenStore } from '../../serving/token-store.js';
import {
  isLate,
  logEnd,
  monotonicDeadline,
  requestIdOf,
  type Callers,
  type CallTraces,
} from './call-scope.js';
import type { StandingCalls } from './standing-calls.js';
import { callStatus, codeOf } from './status.js';

/** What the transport must know of a method before it reads a message; `src/grpc/methods.ts` is the table of them. */
export interface MethodRule {
  /** What a token must permit; `any`: any token; `none`: no token at all. */
  readonly permission: Permission | 'any' | 'none';
  /** Its one message becomes one work in a model's queue: it is refused on its headers when no queue has room. */
  readonly queued: boolean;
  /** What its messages hold: `tensors`, up to `limits.messageBytes`; or a few `names`, up to 64 KiB. */
  readonly takes: 'tensors' | 'names';
}

/** By path, `/package.Service/Method`. */
export type MethodRules = (path: string) => MethodRule;

/** The longest message of names: a model, a context's id, a health check, a reflection query. */
const NAMES_BYTES = 64 * 1024;

export function bytesOf({ takes }: MethodRule, messageBytes: number): number {
  return takes === 'tensors' ? messageBytes : Math.min(NAMES_BYTES, messageBytes);
}

/** The last part of a path, as logs name a method. */
export function methodName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export interface GateParts {
  readonly rules: MethodRules;
  readonly tokens: TokenStore | undefined;
  readonly callers: Callers;
  readonly traces: CallTraces;
  readonly standing: StandingCalls;
  readonly models: { readonly models: readonly Pick<ServedModel, 'name' | 'scheduler' | 'pace'>[] };
  readonly wait: ExpectedWait;
  readonly metrics: Pick<Metrics, 'rejections' | 'clientCalls'>;
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
  const clients = new ClientCalls(metrics);
  return ({ path, requestStream, responseStream }, call) => {
    const rule = rules(path);
    let pledge: Pledge | undefined;
    let leave = (): void => undefined;
    let count: ReturnType<ClientCalls['begin']> | undefined;
    const end = (code: Code): void => {
      if (code === Code.OK || code === Code.DEADLINE_EXCEEDED) pledge?.settled(systemClock.nowMs());
      else pledge?.end();
      leave();
      count?.(code);
    };
    return new ServerInterceptingCall(call, {
      start(next) {
        const startMs = systemClock.nowMs();
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, proceed) => {
            let model: string | undefined;
            const refuse = (fault: Fault): void => {
              const requestId = requestIdOf(metadata);
              call.sendStatus(callStatus(fault, requestId));
              end(codeOf(fault.kind));
              const trace = traces.of(metadata);
              const line = { requestId, method: methodName(path), startMs };
              logEnd(log, { ...line, ...(model && { model }), ...(trace && { trace }) }, fault);
            };
            const admit = (): Caller => authenticate(tokens, rule.permission, metadata, call);
            try {
              const caller = admit();
              count = clients.begin(caller.client);
              if (rule.queued) {
                const expected = wait.expect(startMs, parts.models.models);
                const lateMs = startMs + expected.answerMs - monotonicDeadline(call.getDeadline());
                const refusal = refusalOf(parts, caller.client, lateMs);
                if (refusal !== undefined) {
                  ({ model } = refusal);
                  metrics.rejections.inc({ model, reason: refusal.reason });
                  throw refusal.fault;
                }
                const own = (pledge = wait.pledge(startMs, expected));
                callers.set(metadata, { ...caller, arrived: () => own.arrived(systemClock.nowMs()) });
              } else callers.set(metadata, caller);
            } catch (error) {
              refuse(toFault(error));
              return;
            }
            if (requestStream || responseStream) leave = standing.add({ admit, end: refuse });
            proceed(metadata);
          })
          .withOnCancel(() => end(isLate(call) ? Code.DEADLINE_EXCEEDED : Code.CANCELLED))
          .build();
        next(listener);
      },
      sendStatus(status, next) {
        end(status.code ?? Code.UNKNOWN);
        next(status);
      },
    });
  };
}

/** The refusal that waits for this client whatever model its message names; undefined when one has room and time. */
function refusalOf({ models: { models } }: GateParts, client: string, lateMs: number): Refusal | undefined {
  const model = models.length === 1 ? models[0]!.name : '';
  const refusals = models.map(({ scheduler }) => scheduler.refusal(client));
  const [first] = refusals;
  if (first !== undefined && refusals.every((refusal) => refusal !== undefined)) return { model, ...first };
  return lateMs > 0 ? { model, reason: 'late', fault: lateFault(lateMs) } : undefined;
}

/**
 * Who calls, and may they: by token, by certificate, or by connection. Without `tokens` everybody may do everything that
 * reaches the server (loopback, or mutual TLS). Errors: `unauthenticated`, `denied`.
 */
export function authenticate(
  tokens: TokenStore | undefined,
  permission: Permission | 'any' | 'none',
  metadata: Metadata,
  call: Pick<ServerInterceptingCall, 'getPeer' | 'getAuthContext'>,
): Caller {
  if (tokens === undefined || permission === 'none') return anonymousCaller(call);
  const holder = tokens.find(bearerToken(metadata));
  if (holder === undefined) throw new Fault('unauthenticated', 'unknown token', { field: 'authorization' });
  if (permission !== 'any' && !holder.permissions.has(permission)) {
    throw new Fault('denied', `this token may not ${permission}`, {
      found: `${holder.name}: ${[...holder.permissions].join(', ')}`,
      wanted: permission,
    });
  }
  return { client: `token:${holder.name}`, owner: `token:${holder.name}` };
}

function bearerToken(metadata: Metadata): string {
  const [header] = metadata.get('authorization');
  const token = typeof header === 'string' ? /^bearer +(\S+)$/i.exec(header)?.[1] : undefined;
  if (token !== undefined) return token;
  throw new Fault('unauthenticated', 'no bearer token', {
    field: 'authorization',
    found: header === undefined ? 'no such header' : 'another scheme',
    wanted: 'Bearer TOKEN',
  });
}

/** By certificate where there is one, else by connection. */
function anonymousCaller(call: Pick<ServerInterceptingCall, 'getPeer' | 'getAuthContext'>): Caller {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (certificate === undefined) return { client: `peer:${call.getPeer()}` };
  const client = `certificate:${certificate.fingerprint256}`;
  return { client, owner: client };
}

/** Names of tokens; those who come after share one. */
const MOST_NAMES = 64;

/** Calls by client, as their metric counts them: few names, whoever calls. */
export class ClientCalls {
  readonly #metrics: Pick<Metrics, 'clientCalls'>;
  readonly #names = new Set<string>();

  constructor(metrics: Pick<Metrics, 'clientCalls'>) {
    this.#metrics = metrics;
  }

  /** Of a caller's `client`; returns what counts the end of its call, once. */
  begin(client: string): (code: Code) => void {
    const name = this.#nameOf(client);
    let open = true;
    return (code) => {
      if (open) this.#metrics.clientCalls.inc({ client: name, grpc_code: Code[code] });
      open = false;
    };
  }

  /** `token:NAME` is told apart by its name; certificates and connections are without number. */
  #nameOf(client: string): string {
    const [kind, ...rest] = client.split(':');
    if (kind !== 'token') return kind === 'certificate' ? kind : 'anonymous';
    const name = rest.join(':');
    if (!this.#names.has(name) && this.#names.size >= MOST_NAMES) return 'other';
    this.#names.add(name);
    return name;
  }
}
