/** What a client may ask for, send, and hold open: a section of the schema. docs/limits.md says what enforces each. */
import { z } from 'zod';
import { delayMs, meta, MIB, size } from './values.js';

export const limits = z.strictObject({
  messageBytes: size
    .max(2 ** 31 - 1)
    .default(64 * MIB)
    .meta(meta('max-message-bytes', 'Largest gRPC message')),
  tokens: size.default(8192).meta(meta('max-tokens', 'Most tokens (S) of one context')),
  candidates: size.default(4096).meta(meta('max-candidates', 'Most candidate chunks (N) of one request')),
  steps: size
    .default(512)
    .meta(meta('max-steps', 'Most steps (H) of a chunk, where the model card leaves it open')),
  contexts: size.default(256).meta(meta('max-contexts', 'Most contexts (B) of one EnergyMatrix')),
  scoredSteps: size
    .default(1 << 19)
    .meta(meta('max-scored-steps', 'Most steps of one request in all: contexts x chunks x steps')),
  streamOutstanding: size
    .max(65536)
    .default(16)
    .meta(
      meta('max-stream-outstanding', 'Requests under way on one stream; beyond it the server stops reading'),
    ),
  connections: size.default(1024).meta(meta('max-connections', 'Open connections; more are closed at once')),
  concurrentStreams: size
    .max(2 ** 31 - 1)
    .default(256)
    .meta(meta('max-concurrent-streams', 'Calls under way on one connection')),
  peerConnections: size
    .optional()
    .meta(meta('max-peer-connections', 'Open connections of one address. Default: half of all connections')),
  connectionIdleMs: delayMs
    .min(1000)
    .default(300_000)
    .meta(meta('connection-idle-ms', 'A connection without a call for this long is closed')),
  stallMs: delayMs
    .min(100)
    .default(10_000)
    .meta(meta('stall-ms', 'A message under way that brings no byte for this long is given up')),
  transferMs: delayMs
    .min(100)
    .default(60_000)
    .meta(
      meta('transfer-ms', 'How long a message may take to arrive, and an answer to be taken by its client'),
    ),
  memoryBytes: size
    .min(64 * MIB)
    .optional()
    .meta(
      meta(
        'memory-bytes',
        'Memory that all clients together may cause: messages under way, inflated and queued, unread answers, kept contexts. Default: half of what the process may use',
      ),
    ),
  receiveWindowBytes: z
    .int()
    .min(65535)
    .max(2 ** 31 - 1)
    .default(MIB / 2)
    .meta(
      meta(
        'receive-window-bytes',
        'HTTP/2 receive window of each call: what a client may send ahead of what is read. Less where memory-bytes is small',
      ),
    ),
});
