/**
 * The standard server series of gRPC, for every method of every service. Told by the innermost call, so that every call that
 * began ends in exactly one code, whoever ended it: a handler, the gate, a bound of the transport, its deadline, or the client.
 */
import { status as Code } from '@grpc/grpc-js';
import type { Metrics } from '../../metrics/metrics.js';
import type { RequestTrace } from '../../tracing/request-trace.js';
import { endTrace } from './call-traces.js';

export type RpcMetrics = Pick<
  Metrics,
  'rpcStarted' | 'rpcHandled' | 'rpcSeconds' | 'rpcReceived' | 'rpcSent' | 'rejections'
>;

/** Bounds of the transport that end a call, as `action_energy_rejections_total` names them. */
export type WireRefusal = 'memory' | 'message_bytes' | 'frame' | 'stalled' | 'unread';

export interface CallObserver {
  onReceived(): void;
  onSent(): void;
  onRefused(reason: WireRefusal): void;
  /** The first counts. */
  onEnd(code: Code): void;
}

export interface CallKind {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export function observeCall(
  metrics: RpcMetrics,
  { path, requestStream, responseStream }: CallKind,
  trace?: RequestTrace,
): CallObserver {
  const [, service = '', method = ''] = path.split('/');
  const kind = requestStream
    ? responseStream
      ? 'bidi_stream'
      : 'client_stream'
    : responseStream
      ? 'server_stream'
      : 'unary';
  const labels = { grpc_type: kind, grpc_service: service, grpc_method: method };
  const start = performance.now();
  let open = true;
  metrics.rpcStarted.inc(labels);
  return {
    onReceived: () => metrics.rpcReceived.inc(labels),
    onSent: () => metrics.rpcSent.inc(labels),
    onRefused: (reason) => metrics.rejections.inc({ model: '', reason }),
    onEnd: (code) => {
      if (!open) return;
      open = false;
      metrics.rpcHandled.inc({ ...labels, grpc_code: Code[code] });
      metrics.rpcSeconds.observe(labels, (performance.now() - start) / 1000);
      endTrace(trace, code);
    },
  };
}
