/** Health, reflection, metrics, drain and a dying engine, on a running server. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  credentials,
  loadPackageDefinition,
  status as Code,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { contract, ENERGY_SERVICE } from '../../src/wire/contract.js';
import { serveGatedEngines } from '../support/gated-engine.js';
import { healthOf } from '../support/health.js';
import {
  addressOf,
  call,
  failure,
  goldenRequest,
  openClient,
  serveGolden,
  startTestServer,
  until,
  writeGoldenBundles,
  type TestService,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const OTHER = 'global_silu_half_square';
const request = { model: CASE, ...goldenRequest(CASE) };
const { ScoreActions, ListModels, GetModel } = contract.energy;
const METRICS = { 'metrics-address': '127.0.0.1:0' };

function pageOf({ server }: TestService, page: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.metricsPort}${page}`);
}

test('several models by name, the default, health of each, and their cards', async () => {
  const service = await serveGolden([CASE, OTHER], { 'default-model': OTHER });
  const { client } = service;
  try {
    const { models } = await call(client, ListModels, {});
    assert.deepEqual(
      models.map(({ version, isDefault, state }) => [version?.name, isDefault, state]),
      [
        [CASE, false, 'READY'],
        [OTHER, true, 'READY'],
      ],
    );
    const card = await call(client, GetModel, { name: '' });
    assert.equal(card.version?.name, OTHER);
    assert.equal(card.architecture, 'global_context');
    assert.equal((JSON.parse(card.cardJson) as { state_dim: number }).state_dim, card.stateDim);
    assert.equal(card.provider, 'cpu');
    assert.ok((card.limits?.candidates ?? 0) > 0);
    for (const name of ['', ENERGY_SERVICE, `${ENERGY_SERVICE}/${CASE}`])
      assert.equal(await healthOf(client, name), 'SERVING');
    assert.equal((await failure(healthOf(client, `${ENERGY_SERVICE}/nobody`))).code, Code.NOT_FOUND);
  } finally {
    await service.close();
  }
});

test('a Unix socket serves what TCP serves', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-socket-'));
  await writeGoldenBundles(directory, [CASE]);
  const socket = path.join(directory, 'grpc.sock');
  const server = await startTestServer(directory, { socket });
  const clients = server.addresses.map((address) => openClient(address));
  try {
    assert.deepEqual(server.addresses.slice(1), [`unix:${socket}`]);
    const [overTcp, overUnix] = await Promise.all(
      clients.map((client) => call(client, ScoreActions, request)),
    );
    assert.deepEqual(overUnix?.energies, overTcp?.energies);
  } finally {
    for (const client of clients) client.close();
    await server.close();
    await rm(directory, { recursive: true });
  }
});

test('reflection lists the services and finds their files', async () => {
  const service = await serveGolden([OTHER]);
  const reflection = loadPackageDefinition(
    loadSync('reflection/v1/reflection.proto', {
      includeDirs: [
        path.join(import.meta.dirname, '../../../node_modules/@grpc/reflection/build/proto/grpc'),
      ],
      oneofs: true,
    }),
  ) as unknown as { grpc: { reflection: { v1: { ServerReflection: ServiceClientConstructor } } } };
  const client = new reflection.grpc.reflection.v1.ServerReflection(
    addressOf(service.server),
    credentials.createInsecure(),
  );
  try {
    const info = client[
      'ServerReflectionInfo'
    ] as unknown as () => import('@grpc/grpc-js').ClientDuplexStream<object, object>;
    const ask = (query: object): Promise<string> =>
      new Promise((resolve, reject) => {
        const stream = info.call(client);
        stream.on('data', (answer: object) => {
          stream.end();
          resolve(JSON.stringify(answer));
        });
        stream.on('error', reject);
        stream.write(query);
      });
    const services = await ask({ listServices: '' });
    for (const name of [ENERGY_SERVICE, 'action_energy.v1.AdminService', 'grpc.health.v1.Health']) {
      assert.ok(services.includes(`"${name}"`), name);
    }
    assert.match(await ask({ fileContainingSymbol: ENERGY_SERVICE }), /fileDescriptorProto/);
  } finally {
    client.close();
    await service.close();
  }
});

test('metrics count calls, stages, batches and energies', async () => {
  const service = await serveGolden([CASE], METRICS);
  try {
    await call(service.client, ScoreActions, request);
    await failure(call(service.client, ScoreActions, {}));
    const text = await (await pageOf(service, '/metrics')).text();
    const method = `grpc_type="unary",grpc_service="${ENERGY_SERVICE}",grpc_method="ScoreActions"`;
    for (const line of [
      `grpc_server_started_total{${method}} 2`,
      `grpc_server_handled_total{${method},grpc_code="OK"} 1`,
      `grpc_server_handled_total{${method},grpc_code="INVALID_ARGUMENT"} 1`,
      `grpc_server_handling_seconds_count{${method}} 2`,
      `action_energy_batch_requests_count{model="${CASE}"} 1`,
      `action_energy_energy_count{model="${CASE}",candidate="best"} 1`,
      ...['decode', 'queue', 'encode', 'score', 'respond'].map(
        (stage) => `action_energy_stage_seconds_count{model="${CASE}",stage="${stage}"} 1`,
      ),
    ]) {
      assert.ok(
        text.includes(`${line}\n`),
        `${line} in\n${text
          .split('\n')
          .filter((each) => each.startsWith(line.split('{')[0]!))
          .join('\n')}`,
      );
    }
    assert.match(
      text,
      /action_energy_context_tokens_total\{model="cross_relu_sigmoid",kind="masked"\} [1-9]/,
    );
  } finally {
    await service.close();
  }
});

test('drain: accepted requests are answered, new ones refused, health says so', async () => {
  const service = await serveGatedEngines([CASE, OTHER]);
  const { client, server } = service;
  const { engine } = service;
  engine.shut();
  const accepted = [call(client, ScoreActions, request)];
  await until(() => engine.batches === 1);
  for (let i = 0; i < 5; i++) accepted.push(call(client, ScoreActions, request));
  await call(client, ListModels, {}); // on the same connection, so the others have arrived
  assert.equal((await pageOf(service, '/readyz')).status, 200);
  const closing = server.close();
  assert.equal(await healthOf(client, ''), 'NOT_SERVING');
  assert.equal((await pageOf(service, '/readyz')).status, 503);
  assert.equal((await pageOf(service, '/healthz')).status, 200);
  assert.equal((await failure(call(client, ScoreActions, request))).code, Code.UNAVAILABLE);
  engine.open();
  const answers = await Promise.all(accepted);
  assert.equal(new Set(answers.map(({ energies }) => energies.join())).size, 1);
  await closing;
  await service.close();
});

test('drain has a bound: what does not finish is refused, and the server ends', async () => {
  const service = await serveGatedEngines([CASE, OTHER], { 'drain-ms': '50' });
  const { engine } = service;
  engine.shut();
  const stuck = failure(call(service.client, ScoreActions, request));
  await until(() => engine.batches === 1);
  const closing = service.close();
  assert.equal((await stuck).code, Code.UNAVAILABLE);
  engine.open();
  await closing;
});

test('an engine that dies: callers are told, health too, and the server wants to end', async () => {
  const service = await serveGatedEngines([CASE, OTHER]);
  const { client, server } = service;
  const { engine } = service;
  engine.shut();
  const waiting = failure(call(client, ScoreActions, request));
  await until(() => engine.batches === 1);
  engine.die();
  assert.equal((await waiting).code, Code.UNAVAILABLE);
  assert.match((await server.failed).message, /died/);
  assert.equal(await healthOf(client, ''), 'NOT_SERVING');
  assert.equal(await healthOf(client, `${ENERGY_SERVICE}/${CASE}`), 'NOT_SERVING');
  assert.equal((await pageOf(service, '/healthz')).status, 503);
  assert.equal((await failure(call(client, ScoreActions, request))).code, Code.UNAVAILABLE);
  await service.close();
});
