/** Requests of the bundled model for tests and long runs that put a server under load. */
import { fileURLToPath } from 'node:url';
import type { EnergyClient } from '../../src/client/energy-client.js';
import { randomRequests, type RandomRequests } from '../../src/client/random-requests.js';
import { runOpenLoop, type OpenLoopResult } from '../../src/client/load-loops.js';
import { readMetrics, residentBytes, type ServerProcess } from './server-process.js';

/** The folder of bundled models. */
export const MODELS = fileURLToPath(new URL('../../../models/', import.meta.url));
/** A served model as a test wants it: one thread, so that load and server both run. */
export const SERVE_BUNDLED = ['--models', MODELS, '--provider', 'cpu', '--threads', '1'];

/** Large enough that the engine is the bottleneck, not the wire. */
export async function bundledRequests(client: EnergyClient, candidates = 512): Promise<RandomRequests> {
  const model = await client.getModel('');
  return randomRequests(model, {
    tokens: 64,
    masked: 8,
    candidates,
    steps: model.chunk === 0 ? 8 : model.chunk,
    dtype: 'bfloat16',
  });
}

/** Requests a second that the server answers with `callers` callers. */
export async function capacity(
  client: EnergyClient,
  requests: RandomRequests,
  callers: number,
  durationMs: number,
): Promise<number> {
  let answered = 0;
  const endMs = performance.now() + durationMs;
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await client.score(requests.score(answered), { retries: 0 });
      answered++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (1000 * answered) / durationMs;
}

export interface OverloadResult extends OpenLoopResult {
  readonly capacity: number;
  /** Resident memory of the server once a second (and at the end), bytes. */
  readonly resident: readonly number[];
  /** What the queue held at the end. */
  readonly queueDepth: number;
}

/** Ten times what the server can do, open loop, nothing tried again. */
export async function overload(
  server: ServerProcess,
  client: EnergyClient,
  durationMs: number,
): Promise<OverloadResult> {
  const requests = await bundledRequests(client);
  await capacity(client, requests, 8, 500); // warms up
  const perSecond = await capacity(client, requests, 8, 1_000);
  const resident: number[] = [];
  const sample = (): void => void resident.push(residentBytes(server.child.pid!));
  const timer = setInterval(sample, 1_000);
  const result = await runOpenLoop({
    rate: 10 * perSecond,
    durationMs,
    concurrency: 1_000,
    send: (index) => client.score(requests.score(index), { timeoutMs: 2_000, retries: 0 }),
  });
  clearInterval(timer);
  sample();
  let queueDepth = 0;
  for (const [name, value] of await readMetrics(server)) {
    if (name.startsWith('action_energy_queue_depth')) queueDepth += value;
  }
  return { ...result, capacity: perSecond, resident, queueDepth };
}
