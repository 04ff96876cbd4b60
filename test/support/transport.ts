/** Options of a gRPC server without models, for tests of the transport alone. */
import { ruleOf } from '../../src/grpc/methods.js';
import { CallTraces } from '../../src/grpc/transport/call-scope.js';
import type { TransportOptions } from '../../src/grpc/transport/transport.js';
import { createMetrics } from '../../src/metrics/metrics.js';
import { MemoryBudget } from '../../src/serving/memory-budget.js';

export function transportOptions(overrides: Partial<TransportOptions> = {}): TransportOptions {
  return {
    rules: ruleOf,
    metrics: createMetrics(() => []),
    traces: new CallTraces(),
    budget: new MemoryBudget(1 << 30),
    messageBytes: 1 << 20,
    connections: 8,
    peerConnections: 8,
    concurrentStreams: 8,
    connectionIdleMs: 60_000,
    stallMs: 10_000,
    transferMs: 60_000,
    receiveWindowBytes: 256 << 10,
    keepaliveTimeMs: 60_000,
    keepaliveTimeoutMs: 20_000,
    ...overrides,
  };
}
