/** The standard server series of gRPC, for every method of every service. */
import {
  ServerInterceptingCall,
  ServerListenerBuilder,
  status as Code,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import type { Metrics } from '../../metrics/metrics.js';

type RpcMetrics = Pick<Metrics, 'rpcStarted' | 'rpcHandled' | 'rpcSeconds' | 'rpcReceived' | 'rpcSent'>;

export function rpcMetricsInterceptor(metrics: RpcMetrics): ServerInterceptor {
  return ({ path, requestStream, responseStream }, call) => {
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
    const end = (code: Code): void => {
      if (!open) return;
      open = false;
      metrics.rpcHandled.inc({ ...labels, grpc_code: Code[code] });
      metrics.rpcSeconds.observe(labels, (performance.now() - start) / 1000);
    };
    metrics.rpcStarted.inc(labels);
    return new ServerInterceptingCall(call, {
      start(next) {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMessage((message: unknown, proceed) => {
            metrics.rpcReceived.inc(labels);
            proceed(message);
          })
          // grpc-js itself ends a call at its deadline, and then cancels it
          .withOnCancel(() =>
            end(Date.now() >= Number(call.getDeadline()) ? Code.DEADLINE_EXCEEDED : Code.CANCELLED),
          )
          .build();
        next(listener);
      },
      sendMessage(message: unknown, next) {
        metrics.rpcSent.inc(labels);
        next(message);
      },
      sendStatus(status, next) {
        end(status.code ?? Code.UNKNOWN);
        next(status);
      },
    });
  };
}
