/** Health, reflection, metrics, reload, drain and a dying engine, on a running server. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  credentials,
  loadPackageDefinition,
  status as Code,
  type Client,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { saveBundle } from '../../src/model/bundle.js';
import { contract, ENERGY_SERVICE } from '../../src/wire/contract.js';
import { goldenModel } from '../support/bundles.js';
import {
  addressOf,
  call,
  failure,
  GatedEngine,
  goldenRequest,
  openClient,
  serveGolden,
  startTestEngine,
  startTestServer,
  until,
  writeGoldenBundles,
  type TestService,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const OTHER = 'global_silu_half_square';
const request = { model: CASE, ...goldenRequest(CASE) };
const { ScoreActions, PutContext, ListModels, GetModel } = contract.energy;
const METRICS = { 'metrics-address': '127.0.0.1:0' };

const health = loadSync(protoPath, { enums: String })['grpc.health.v1.Health'] as unknown as {
  Check: Parameters<typeof call<{ service: string }, { status: string }>>[1];
};

async function healthOf(client: Client, service: string): Promise<string> {
  return (await call(client, health.Check, { service })).status;
}

async function gatedService(
  flags: Record<string, string> = {},
): Promise<{ service: TestService; engines: GatedEngine[] }> {
  const engines: GatedEngine[] = [];
  const service = await serveGolden([CASE, OTHER], { ...METRICS, ...flags }, async (bundle) => {
    const engine = new GatedEngine(await startTestEngine(bundle));
    engines.push(engine);
    return engine;
  });
  return { service, engines };
}

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

test('reload swaps a changed bundle in without failing a request, and loses kept contexts', async () => {
  const service = await serveGolden([CASE]);
  const { client, server, models } = service;
  try {
    const before = await call(client, ScoreActions, request);
    const kept = await call(client, PutContext, { model: CASE, context: request.inline });
    const { card, weights } = goldenModel(CASE);
    const changed = new Map(
      [...weights].map(([name, tensor]) => [name, { ...tensor, bytes: tensor.bytes.slice() }]),
    );
    changed.get('prediction_head.fc2.bias')!.bytes.set(Buffer.from(Float32Array.of(3).buffer));
    await saveBundle(path.join(models, CASE), card, changed, { force: true });

    let reloading = true;
    const answers = [];
    const reload = call(client, contract.admin.Reload, { model: CASE }).finally(() => (reloading = false));
    while (reloading) answers.push(await call(client, ScoreActions, request)); // any failure rejects
    const [version] = (await reload).models;
    const after = await call(client, ScoreActions, request);
    assert.notEqual(version?.digest, before.model?.digest);
    assert.equal(after.model?.digest, version?.digest);
    assert.notDeepEqual(after.energies, before.energies);
    for (const answer of answers) {
      const own = answer.model?.digest === before.model?.digest ? before : after;
      assert.deepEqual(answer.energies, own.energies);
    }
    const byId = { model: CASE, contextId: kept.context?.contextId ?? '', candidates: request.candidates };
    assert.equal((await failure(call(client, ScoreActions, byId))).code, Code.NOT_FOUND);

    // a bundle that cannot be read leaves the old one in service
    await rm(path.join(models, CASE, 'weights.safetensors'));
    await failure(call(client, contract.admin.Reload, { model: CASE }));
    assert.deepEqual((await call(client, ScoreActions, request)).energies, after.energies);

    // a new bundle is added
    await saveBundle(path.join(models, CASE), card, weights, { force: true });
    await writeGoldenBundles(models, [OTHER]);
    await server.reload();
    assert.equal((await call(client, ListModels, {})).models.length, 2);
  } finally {
    await service.close();
  }
});

test('reload takes each model by itself: a broken one is named and goes on, the others and the tokens are read', async () => {
  const service = await serveGolden([CASE, OTHER]);
  const { client, server, models } = service;
  try {
    const before = await call(client, ScoreActions, request);
    await rm(path.join(models, CASE, 'weights.safetensors')); // the first by name
    const { card, weights } = goldenModel(OTHER);
    const changed = new Map(
      [...weights].map(([name, tensor]) => [name, { ...tensor, bytes: tensor.bytes.slice() }]),
    );
    changed
      .values()
      .next()
      .value!.bytes.set(Buffer.from(Float32Array.of(3).buffer));
    await saveBundle(path.join(models, OTHER), card, changed, { force: true });
    const digestOf = async (name: string): Promise<string | undefined> =>
      (await call(client, GetModel, { name })).version?.digest;
    const [broken, fine] = [await digestOf(CASE), await digestOf(OTHER)];
    const error = await failure(call(client, contract.admin.Reload, {}));
    assert.match(error.details, /cross_relu_sigmoid: .*weights/);
    assert.equal(await digestOf(CASE), broken);
    assert.notEqual(await digestOf(OTHER), fine);
    assert.deepEqual((await call(client, ScoreActions, request)).energies, before.energies);
    await assert.rejects(server.reload(), /not loaded again/);
  } finally {
    await service.close();
  }
});

test('reload while requests run: the old engine finishes them', async () => {
  const { service, engines } = await gatedService();
  const { client } = service;
  try {
    const [old] = engines;
    old!.shut();
    const running = call(client, ScoreActions, request);
    await until(() => old!.batches === 1);
    const waiting = call(client, ScoreActions, request);
    await call(client, ListModels, {});
    await call(client, contract.admin.Reload, { model: CASE });
    const fresh = await call(client, ScoreActions, request); // on the new engine, while the old one still runs
    old!.open();
    for (const answer of await Promise.all([running, waiting]))
      assert.deepEqual(answer.energies, fresh.energies);
  } finally {
    await service.close();
  }
});

test('a model that is being added answers FAILED_PRECONDITION until it is warm', async () => {
  let release = (): void => undefined;
  const warm = new Promise<void>((resolve) => (release = resolve));
  const service = await serveGolden([CASE], {}, async (bundle) => {
    if (bundle.card.name === OTHER) await warm;
    return startTestEngine(bundle);
  });
  const { client, models } = service;
  try {
    await writeGoldenBundles(models, [OTHER]);
    const adding = call(client, contract.admin.Reload, { model: OTHER });
    let state: string | undefined;
    while (state === undefined) {
      const list = await call(client, ListModels, {});
      state = list.models.find(({ version }) => version?.name === OTHER)?.state;
    }
    assert.equal(state, 'LOADING');
    assert.equal(
      (await failure(call(client, ScoreActions, { ...request, model: OTHER }))).code,
      Code.FAILED_PRECONDITION,
    );
    assert.equal(
      (await failure(call(client, contract.admin.Reload, { model: OTHER }))).code,
      Code.FAILED_PRECONDITION,
    );
    assert.equal(await healthOf(client, ''), 'SERVING');
    assert.equal(await healthOf(client, `${ENERGY_SERVICE}/${OTHER}`), 'NOT_SERVING');
    release();
    await adding;
    assert.equal(await healthOf(client, `${ENERGY_SERVICE}/${OTHER}`), 'SERVING');
  } finally {
    release();
    await service.close();
  }
});

test('drain: accepted requests are answered, new ones refused, health says so', async () => {
  const { service, engines } = await gatedService();
  const { client, server } = service;
  const [engine] = engines;
  engine!.shut();
  const accepted = [call(client, ScoreActions, request)];
  await until(() => engine!.batches === 1);
  for (let i = 0; i < 5; i++) accepted.push(call(client, ScoreActions, request));
  await call(client, ListModels, {}); // on the same connection, so the others have arrived
  assert.equal((await pageOf(service, '/readyz')).status, 200);
  const closing = server.close();
  assert.equal(await healthOf(client, ''), 'NOT_SERVING');
  assert.equal((await pageOf(service, '/readyz')).status, 503);
  assert.equal((await pageOf(service, '/healthz')).status, 200);
  assert.equal((await failure(call(client, ScoreActions, request))).code, Code.UNAVAILABLE);
  engine!.open();
  const answers = await Promise.all(accepted);
  assert.equal(new Set(answers.map(({ energies }) => energies.join())).size, 1);
  await closing;
  await service.close();
});

test('drain has a bound: what does not finish is refused, and the server ends', async () => {
  const { service, engines } = await gatedService({ 'drain-ms': '50' });
  const [engine] = engines;
  engine!.shut();
  const stuck = failure(call(service.client, ScoreActions, request));
  await until(() => engine!.batches === 1);
  const closing = service.close();
  assert.equal((await stuck).code, Code.UNAVAILABLE);
  engine!.open();
  await closing;
});

test('an engine that dies: callers are told, health too, and the server wants to end', async () => {
  const { service, engines } = await gatedService();
  const { client, server } = service;
  const [engine] = engines;
  engine!.shut();
  const waiting = failure(call(client, ScoreActions, request));
  await until(() => engine!.batches === 1);
  engine!.die();
  assert.equal((await waiting).code, Code.UNAVAILABLE);
  assert.match((await server.failed).message, /died/);
  assert.equal(await healthOf(client, ''), 'NOT_SERVING');
  assert.equal(await healthOf(client, `${ENERGY_SERVICE}/${CASE}`), 'NOT_SERVING');
  assert.equal((await pageOf(service, '/healthz')).status, 503);
  assert.equal((await failure(call(client, ScoreActions, request))).code, Code.UNAVAILABLE);
  await service.close();
});
