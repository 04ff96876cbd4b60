/**
 * `npm run request-path`: which of the project's files run on the main thread during one warm ScoreActions, that is, what a
 * maintainer has to read to follow a request. Counted by V8's precise coverage in the server's own thread; the client is
 * another thread, the engine too.
 */
import { once } from 'node:events';
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { pino } from 'pino';
import { EnergyClient } from '../src/client/energy-client.js';
import { loadConfig } from '../src/config/load.js';
import { startEngine } from '../src/engine/start.js';
import { startServer } from '../src/grpc/server.js';
import { bundledRequests, MODELS } from '../test/support/load.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const WARM = 20;

async function measure(): Promise<readonly string[]> {
  const config = loadConfig({
    flags: { models: MODELS, address: '127.0.0.1:0', 'metrics-address': 'none', 'quality-share': '0' },
  });
  const server = await startServer(config, {
    log: pino({ level: 'silent' }),
    startEngine: (bundle) => startEngine(bundle, { provider: 'cpu', threads: 1 }),
  });
  const client = new Worker(fileURLToPath(import.meta.url), { workerData: server.addresses[0] });
  const ask = async (): Promise<void> => {
    client.postMessage('score');
    await once(client, 'message');
  };
  const session = new Session();
  session.connect();
  try {
    for (let i = 0; i < WARM; i++) await ask();
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await session.post('Profiler.takePreciseCoverage');
    await ask();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    return result
      .filter(({ functions }) => functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0))
      .map(({ url }) => (url.startsWith('file:') ? path.relative(ROOT, fileURLToPath(url)) : url))
      .filter((file) => file.startsWith('src/'))
      .sort();
  } finally {
    session.disconnect();
    await client.terminate();
    await server.close();
  }
}

async function serveRequests(address: string): Promise<void> {
  const client = await EnergyClient.open({ address });
  const requests = await bundledRequests(client, 16);
  let sent = 0;
  parentPort!.on('message', () => {
    void client.score(requests.score(sent++)).then(() => parentPort!.postMessage('scored'));
  });
}

if (isMainThread) {
  const files = await measure();
  process.stdout.write(
    `${files.map((file) => file.replace(/\.js$/, '.ts')).join('\n')}\n${files.length} files\n`,
  );
} else await serveRequests(workerData as string);
