/** A full queue: who is refused, with which hint, and that what was accepted is answered. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { status as Code, type Client, type ServiceError } from '@grpc/grpc-js';
import { contract } from '../../src/wire/contract.js';
import { serveGatedEngines, type GatedService } from '../support/gated-engine.js';
import {
  addressOf,
  call,
  failure,
  goldenRequest,
  metricsPage,
  openClient,
  until,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const request = goldenRequest(CASE);
const context = request.inline;
const { ScoreActions, PutContext, EnergyMatrix, GetModel } = contract.energy;
/** Half of them may be one client's. */
const QUEUE = 4;

describe('a full queue', () => {
  let service: GatedService;
  const clients: Client[] = [];
  before(async () => {
    service = await serveGatedEngines([CASE], { 'queue-items': String(QUEUE) });
    for (let i = 0; i < 3; i++) clients.push(openClient(addressOf(service.server)));
  });
  after(async () => {
    for (const client of clients) client.close();
    await service.close();
  });

  const metric = async (name: string): Promise<number> => {
    const line = (await metricsPage(service)).split('\n').find((each) => each.startsWith(name));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  const waiting = (count: number): Promise<void> =>
    until(async () => (await metric('action_energy_queue_depth')) === count);
  const checkRefused = (error: ServiceError, why: RegExp): void => {
    assert.equal(error.code, Code.RESOURCE_EXHAUSTED);
    assert.match(error.details, why);
    assert.ok(Number(error.metadata.get('grpc-retry-pushback-ms')[0]) >= 10);
  };

  test('refuses a greedy client first, then everybody, and answers all that it took', async () => {
    const { engine } = service;
    const [greedy, other, third] = clients as [Client, Client, Client];
    engine.shut();
    const accepted = [call(other, ScoreActions, request)];
    await until(() => engine.batches === 1); // it runs: the queue is empty
    accepted.push(call(greedy, ScoreActions, request), call(greedy, ScoreActions, request));
    await waiting(2);
    checkRefused(await failure(call(greedy, ScoreActions, request)), /this client has too many/);
    checkRefused(await failure(call(greedy, PutContext, { context })), /this client has too many/);
    accepted.push(call(other, ScoreActions, request), call(third, ScoreActions, request));
    await waiting(QUEUE);
    checkRefused(await failure(call(other, ScoreActions, request)), /too many requests are waiting/);
    // refused on the headers: that it does not parse is never seen
    const noProtobuf = { ...ScoreActions, requestSerialize: () => Buffer.from([0xff, 0xff, 0xff]) };
    checkRefused(await failure(call(other, noProtobuf, request)), /too many requests are waiting/);
    const matrix = { contexts: [{ inline: context }], actions: request.candidates };
    checkRefused(await failure(call(third, EnergyMatrix, matrix)), /too many requests are waiting/);
    await call(third, GetModel, {});

    engine.open();
    const answers = await Promise.all(accepted);
    for (const { energies } of answers) assert.deepEqual(energies, answers[0]!.energies);
    const rejections = (reason: string): Promise<number> =>
      metric(`action_energy_rejections_total{model="${CASE}",reason="${reason}"}`);
    assert.deepEqual([await rejections('client_share'), await rejections('queue_full')], [2, 3]);
    await call(greedy, ScoreActions, request); // there is room again
  });
});
