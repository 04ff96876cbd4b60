/** Reload and models that are being added, while requests run. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import { saveBundle } from '../../src/model/bundle.js';
import { contract, ENERGY_SERVICE } from '../../src/wire/contract.js';
import { goldenModel } from '../support/bundles.js';
import { serveGatedEngines } from '../support/gated-engine.js';
import { healthOf } from '../support/health.js';
import {
  call,
  failure,
  goldenRequest,
  serveGolden,
  startTestEngine,
  until,
  writeGoldenBundles,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const OTHER = 'global_silu_half_square';
const request = { model: CASE, ...goldenRequest(CASE) };
const { ScoreActions, PutContext, ListModels, GetModel } = contract.energy;

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
  const service = await serveGatedEngines([CASE, OTHER]);
  const { client } = service;
  try {
    const [old] = service.engines;
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
