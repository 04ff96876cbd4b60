/** HTTP beside gRPC: /metrics for Prometheus, /healthz (the process lives), /readyz (send it requests). */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Registry } from 'prom-client';
import type { HostPort } from '../config/checks.js';
import { invalid } from '../errors.js';

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface Probes {
  /** False when the process should be restarted. */
  readonly healthy: () => boolean;
  /** False while starting, draining or failed. */
  readonly ready: () => boolean;
}

/** Nobody needs more to ask for a page. Whoever comes beyond takes the place of the one that has asked for nothing the longest. */
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 5_000;

/** Errors: an address that cannot be bound. */
export async function startMetricsServer(
  { host, port }: HostPort,
  registry: Registry,
  { healthy, ready }: Probes,
): Promise<MetricsServer> {
  const probe = (ok: boolean): { status: number; type: string; body: string } => ({
    status: ok ? 200 : 503,
    type: 'text/plain; charset=utf-8',
    body: ok ? 'ok\n' : 'not ok\n',
  });
  // whoever asks while a page is made gets that one: it takes milliseconds of the thread that speaks gRPC
  let making: Promise<string> | undefined;
  const series = (): Promise<string> => (making ??= registry.metrics().finally(() => (making = undefined)));
  const pages: Readonly<Record<string, () => Promise<{ status: number; type: string; body: string }>>> = {
    '/metrics': async () => ({ status: 200, type: registry.contentType, body: await series() }),
    '/healthz': async () => probe(healthy()),
    '/readyz': async () => probe(ready()),
  };
  const timeouts = { requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: 1_000 };
  const places = new Places(MAX_CONNECTIONS);
  const server = createServer(timeouts, (request, response) => {
    places.hold(request.socket, response);
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(page === undefined ? 404 : 405).end();
      return;
    }
    page().then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      () => response.writeHead(500).end(),
    );
  });
  server.on('connection', (socket) => places.admit(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        invalid('metrics.address', 'cannot be bound', {
          found: cause.message,
          mend: 'Choose another with --metrics-address',
          cause,
        }),
      ),
    );
    server.listen({ host, port }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Connections, each kind in the order in which it came. */
class Places {
  readonly #most: number;
  readonly #waiting = new Set<Socket>();
  readonly #answering = new Set<Socket>();

  constructor(most: number) {
    this.#most = most;
  }

  /** A probe must get in, however many hold the door. */
  admit(socket: Socket): void {
    socket.once('close', () => {
      this.#waiting.delete(socket);
      this.#answering.delete(socket);
    });
    if (this.#waiting.size + this.#answering.size >= this.#most) {
      const [longest] = this.#waiting.size > 0 ? this.#waiting : this.#answering;
      longest?.destroy();
    }
    this.#waiting.add(socket);
  }

  /** A connection that is being answered leaves after those that ask for nothing. */
  hold(socket: Socket, response: ServerResponse): void {
    this.#waiting.delete(socket);
    this.#answering.add(socket);
    response.once('finish', () => {
      this.#answering.delete(socket);
      if (!socket.destroyed) this.#waiting.add(socket);
    });
  }
}
