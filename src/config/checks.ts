/** What settings must hold together: each problem as one sentence, so that all are told at once. */
import { isIP } from 'node:net';
import type { Config } from './schema.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[ipv6]:port` in parts; undefined for `none`. The schema has checked the form. */
export function hostPort(address: string): HostPort | undefined {
  if (address === 'none') return undefined;
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}

/** True when only this machine can reach the host. A name other than localhost may resolve to anything. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  if (isIP(host) === 4) return host.startsWith('127.');
  return isIP(host) === 6 && /^(0{0,4}:){2,7}0{0,3}1$/.test(host);
}

export function crossChecks(config: Config): string[] {
  const problems: string[] = [];
  const { tls, listen, auth, contexts, metrics } = config;
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    problems.push('tls.cert and tls.key (--tls-cert, --tls-key): found one of them; wanted both or neither');
  }
  if (tls.clientCa !== undefined && tls.cert === undefined) {
    problems.push('tls.clientCa (--tls-client-ca): mutual TLS needs tls.cert and tls.key too');
  }
  for (const [name, address] of [
    ['listen.address (--address)', listen.address],
    ['metrics.address (--metrics-address)', metrics.address],
  ] as const) {
    if ((hostPort(address)?.port ?? 0) > 65535)
      problems.push(`${name}: found ${address}; wanted a port up to 65535`);
  }
  const bound = hostPort(listen.address);
  if (bound === undefined && listen.socket === undefined) {
    problems.push('listen.address (--address): none, and no listen.socket (--socket); wanted at least one');
  }
  const authenticated = auth.tokensFile !== undefined || tls.clientCa !== undefined;
  if (
    bound &&
    !isLoopback(bound.host) &&
    !listen.insecurePublic &&
    !(tls.cert !== undefined && authenticated)
  ) {
    problems.push(
      `listen.address (--address): ${listen.address} can be reached by other machines, which needs TLS (--tls-cert, ` +
        '--tls-key) and either tokens (--tokens-file) or client certificates (--tls-client-ca); found ' +
        `${tls.cert === undefined ? 'no TLS' : 'TLS'} and ${authenticated ? 'authentication' : 'no authentication'}. ` +
        'In a network that protects it by other means, say --insecure-public',
    );
  }
  const pages = hostPort(metrics.address);
  if (pages && !isLoopback(pages.host) && !listen.insecurePublic && !metrics.public) {
    problems.push(
      `metrics.address (--metrics-address): ${metrics.address} can be reached by other machines, and its pages ask nobody for a ` +
        'name. In a network that protects them, say --metrics-public',
    );
  }
  if (contexts.leaseMs > contexts.maxLeaseMs) {
    problems.push(
      `contexts.leaseMs (--context-lease-ms): found ${contexts.leaseMs}; wanted at most contexts.maxLeaseMs, ${contexts.maxLeaseMs}`,
    );
  }
  return problems;
}
