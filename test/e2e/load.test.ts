/** A server process under load: ten times too much of it, a reload and a drain in the middle, and an engine that dies. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { EnergyClient } from '../../src/client/energy-client.js';
import { Fault } from '../../src/errors.js';
import { bundledRequests, overload, SERVE_BUNDLED } from '../support/load.js';
import { startServerProcess, type ServerProcess } from '../support/server-process.js';
import { until } from '../support/service.js';

const MIB = 1024 ** 2;

async function withServer(
  args: readonly string[],
  use: (server: ServerProcess, client: EnergyClient) => Promise<void>,
  nodeArgs: readonly string[] = [],
): Promise<void> {
  const server = await startServerProcess([...SERVE_BUNDLED, ...args], nodeArgs);
  const client = await EnergyClient.open({ address: server.address });
  try {
    await use(server, client);
  } finally {
    client.close();
    server.child.kill('SIGKILL');
    await server.exited;
  }
}

test('ten times overload: every request is answered or refused, none lost, memory bounded', () =>
  withServer(['--queue-items', '64'], async (server, client) => {
    const { due, latenciesMs, errors, resident, queueDepth } = await overload(server, client, 3_000);
    const refused = Object.values(errors).reduce((sum, count) => sum + count, 0);
    assert.equal(latenciesMs.length + refused, due);
    assert.deepEqual(
      Object.keys(errors).filter((kind) => kind !== 'exhausted' && kind !== 'deadline'),
      [],
      JSON.stringify(errors),
    );
    assert.ok(latenciesMs.length > 0 && (errors.exhausted ?? 0) > 0, 'some answered, some refused');
    assert.equal(queueDepth, 0);
    assert.ok(Math.max(...resident) < 1024 * MIB, `${Math.max(...resident) / MIB} MiB`);
    await client.score((await bundledRequests(client)).score(0)); // it goes on
  }));

interface Sent {
  readonly id: string;
  readonly kind: 'ok' | Fault['kind'];
}

/** Callers that send until told to stop; every request has an id that the server's log has too. */
async function startCallers(
  client: EnergyClient,
  count: number,
): Promise<{ sent: Sent[]; stop: () => Promise<void> }> {
  const requests = await bundledRequests(client);
  const sent: Sent[] = [];
  let stopped = false;
  const caller = async (name: number): Promise<void> => {
    for (let i = 0; !stopped; i++) {
      const id = `caller-${name}-${i}`;
      try {
        await client.score(requests.score(i), { requestId: id, retries: 0 });
        sent.push({ id, kind: 'ok' });
      } catch (error) {
        assert.ok(error instanceof Fault);
        sent.push({ id, kind: error.kind });
        await delay(5);
      }
    }
  };
  const done = Promise.all(Array.from({ length: count }, (_, name) => caller(name)));
  return {
    sent,
    async stop() {
      stopped = true;
      await done;
    },
  };
}

test('a drain under load: whatever was accepted is answered, the rest is told to go elsewhere, exit 0', () =>
  withServer(['--log-level', 'debug'], async (server, client) => {
    const callers = await startCallers(client, 16);
    await until(() => callers.sent.length >= 50);
    const { code } = await server.stop();
    assert.equal(code, 0);
    await callers.stop();
    const kinds = new Set(callers.sent.map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), ['ok', 'unavailable']);
    const accepted = server.log.flatMap((text) => {
      const line = JSON.parse(text) as { msg: string; requestId?: string; code?: string };
      return line.msg === 'request' && line.code === 'OK' ? [line.requestId] : [];
    });
    const answered = callers.sent.flatMap(({ id, kind }) => (kind === 'ok' ? [id] : []));
    // GetModel is in the log, too, under an id of the server's
    const ours = accepted.filter((id) => id?.startsWith('caller-'));
    assert.deepEqual(ours.sort(), answered.sort());
  }));

test('reloads under load fail no request', () =>
  withServer([], async (server, client) => {
    const callers = await startCallers(client, 8);
    for (let reloads = 0; reloads < 3; reloads++) {
      const before = callers.sent.length;
      await client.reload('');
      await until(() => callers.sent.length > before + 10);
    }
    server.child.kill('SIGHUP');
    await until(() => server.log.filter((line) => line.includes('"model ready"')).length === 5);
    const before = callers.sent.length;
    await until(() => callers.sent.length > before + 10);
    await callers.stop();
    assert.deepEqual(
      callers.sent.filter(({ kind }) => kind !== 'ok'),
      [],
    );
  }));

/** In the server's process: on SIGUSR2 the engine's thread meets what it cannot read and dies of it, after its batch. */
const CRASH_ON_SIGNAL = `data:text/javascript,
  const workers = [];
  process.on('worker', (worker) => workers.push(worker));
  process.on('SIGUSR2', () => workers.forEach((worker) => worker.postMessage(null)));`.replaceAll('\n', '');

test('an engine that dies under load: every caller is told, health says so, the process exits with 1 within its bound', () =>
  withServer(
    ['--crash-exit-ms', '500'],
    async (server, client) => {
      const callers = await startCallers(client, 8);
      await until(() => callers.sent.length >= 20);
      server.child.kill('SIGUSR2');
      const { code } = await Promise.race([
        server.exited,
        delay(15_000, undefined, { ref: false }).then(() => assert.fail('still there after 15 s')),
      ]);
      await callers.stop(); // no call hangs
      assert.equal(code, 1);
      const kinds = new Set(callers.sent.map(({ kind }) => kind));
      assert.deepEqual([...kinds].sort(), ['ok', 'unavailable']);
      const lines = server.log.map((text) => (JSON.parse(text) as { msg: string }).msg);
      assert.ok(lines.includes('the engine failed'), lines.join('\n'));
      assert.ok(lines.includes('stopped'), 'it closed in order');
    },
    ['--import', CRASH_ON_SIGNAL],
  ));
