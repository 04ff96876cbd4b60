/** Calls by client, as their metric counts them: few names, whoever calls. */
import { status as Code } from '@grpc/grpc-js';
import type { Metrics } from '../../metrics/metrics.js';

/** Names of tokens; those who come after share one. */
const MOST_NAMES = 64;

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
