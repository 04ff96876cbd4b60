/**
 * The connections of all addresses that the server listens on: how many there may be, in all and of one peer, how long one
 * may stay without a call, and what the metrics show of them.
 *
 * Where all places are taken (or all of one peer), the connection that has been longest without a call (or that peer's) makes room
 * for a new one, so that clients who connect and answer pings cannot keep the others out.
 */
import type { Http2Server, ServerHttp2Session } from 'node:http2';
import { Server as TlsServer } from 'node:tls';
import type { Socket } from 'node:net';
import type { Clock } from '../../batching/clock.js';
import type { Metrics } from '../../metrics/metrics.js';
import { Resets } from './resets.js';

export interface ConnectionBounds {
  /** In all. */
  readonly connections: number;
  /** Of one address. Unix sockets have none: all of them are one peer. */
  readonly peerConnections: number;
  /** One without a call for this long is closed. */
  readonly connectionIdleMs: number;
}

export interface ConnectionsOptions extends ConnectionBounds {
  readonly clock: Clock;
  readonly metrics: Pick<
    Metrics,
    'connections' | 'connectionsClosed' | 'connectionReceived' | 'connectionSent'
  >;
}

/**
 * Why a connection ended. `limit`, `peer_limit`: it was not let in; `displaced`: it made room for another; `resets`: too many of its
 * calls were cancelled (`resets.ts`); `server`: a ping without an answer, or the server stops.
 */
type Cause = 'limit' | 'peer_limit' | 'idle' | 'displaced' | 'resets' | 'client' | 'error' | 'server';

interface Open {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  readonly address: string;
  calls: number;
  /** Since when it has had no call. */
  idleSinceMs: number;
  cause: Cause | undefined;
  received: number;
  sent: number;
}

/** One without a call for this long may be displaced. */
const DISPLACE_MS = 1_000;
const MOST_SWEEP_MS = 1_000;

export class Connections {
  readonly #options: ConnectionsOptions;
  /** Sockets that were let in, those in a TLS handshake included. */
  readonly #admitted = new Set<Socket>();
  readonly #refused = new WeakSet<Socket>();
  readonly #peers = new Map<string, number>();
  readonly #open = new Set<Open>();
  #cancelSweep: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Minds what connects to `server`. */
  watch(server: Http2Server): void {
    // a session is made of the socket that this event brings, in the same turn
    let socket: Socket | undefined;
    const event = server instanceof TlsServer ? 'secureConnection' : 'connection';
    server.prependListener(event, (each: Socket) => (socket = each));
    server.on('connection', (each: Socket) => this.#admit(each));
    server.on('session', (session: ServerHttp2Session) => this.#enter(session, socket!));
  }

  #admit(socket: Socket): void {
    const { connections, peerConnections, metrics } = this.#options;
    const address = socket.remoteAddress ?? '';
    const ofPeer = this.#peers.get(address) ?? 0;
    let cause: Cause | undefined;
    if (ofPeer >= peerConnections) cause = this.#displace(address) ? undefined : 'peer_limit';
    else if (this.#admitted.size >= connections) cause = this.#displace() ? undefined : 'limit';
    if (cause !== undefined) {
      metrics.connectionsClosed.inc({ cause });
      this.#refused.add(socket);
      socket.destroy();
      return;
    }
    this.#admitted.add(socket);
    this.#peers.set(address, (this.#peers.get(address) ?? 0) + 1);
    metrics.connections.inc();
    socket.once('close', () => {
      this.#admitted.delete(socket);
      metrics.connections.dec();
      const left = this.#peers.get(address)! - 1;
      if (left > 0) this.#peers.set(address, left);
      else this.#peers.delete(address);
    });
  }

  #enter(session: ServerHttp2Session, socket: Socket): void {
    const { clock, metrics } = this.#options;
    const idleSinceMs = clock.nowMs();
    const address = socket.remoteAddress ?? '';
    const open: Open = {
      session,
      socket,
      address,
      calls: 0,
      idleSinceMs,
      cause: undefined,
      received: 0,
      sent: 0,
    };
    this.#open.add(open);
    const resets = new Resets(clock);
    const reset = (): void => {
      if (!resets.add() || session.closed) return;
      open.cause ??= 'resets';
      session.close(); // with a GOAWAY: its other calls go on
    };
    session.on('stream', (stream) => {
      open.calls++;
      // not when it has closed, which takes turns of the loop: hundreds may come in one read
      if (stream.aborted) reset();
      else stream.once('aborted', reset);
      stream.once('close', () => {
        open.calls--;
        open.idleSinceMs = clock.nowMs();
        if (stream.rstCode !== 0 && !stream.aborted) reset(); // after its answer was written
      });
    });
    socket.once('end', () => (open.cause ??= 'client'));
    session.once('goaway', () => (open.cause ??= 'client'));
    session.once('error', () => (open.cause ??= 'error'));
    session.once('close', () => {
      this.#open.delete(open);
      this.#countBytes(open);
      if (!this.#refused.has(socket)) metrics.connectionsClosed.inc({ cause: open.cause ?? 'server' });
      if (this.#open.size > 0) return;
      this.#cancelSweep?.();
      this.#cancelSweep = undefined;
    });
    this.#setSweep();
  }

  /** The one (of an address) that has been longest without a call goes at once; false when all of them are used. */
  #displace(address?: string): boolean {
    let oldest: Open | undefined;
    for (const open of this.#open) {
      if (open.calls > 0 || open.cause === 'displaced') continue;
      if (address !== undefined && open.address !== address) continue;
      if (open.idleSinceMs < (oldest?.idleSinceMs ?? Infinity)) oldest = open;
    }
    if (oldest === undefined || this.#options.clock.nowMs() - oldest.idleSinceMs < DISPLACE_MS) return false;
    oldest.cause = 'displaced';
    oldest.session.destroy();
    return true;
  }

  #setSweep(): void {
    const { clock, connectionIdleMs } = this.#options;
    this.#cancelSweep ??= clock.setTimer(Math.min(MOST_SWEEP_MS, connectionIdleMs), () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      if (this.#open.size > 0) this.#setSweep();
    });
  }

  #sweep(): void {
    const { clock, connectionIdleMs } = this.#options;
    for (const open of this.#open) {
      this.#countBytes(open);
      if (open.calls > 0 || clock.nowMs() - open.idleSinceMs < connectionIdleMs) continue;
      open.cause ??= 'idle';
      open.session.close(); // with a GOAWAY, so that its client connects anew for its next call
    }
  }

  #countBytes(open: Open): void {
    const { metrics } = this.#options;
    const { bytesRead, bytesWritten } = open.socket;
    metrics.connectionReceived.inc(Math.max(0, bytesRead - open.received));
    metrics.connectionSent.inc(Math.max(0, bytesWritten - open.sent));
    open.received = bytesRead;
    open.sent = bytesWritten;
  }
}
