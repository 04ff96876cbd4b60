/** Every call that was sent ends in exactly one outcome, and the metrics tell which: reconciled from outside. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { status as Code, type Client } from '@grpc/grpc-js';
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
const { ScoreActions } = contract.energy;
const QUEUE = 4;
const LATE = 4;
const LEFT = 4;

let service: GatedService;
let session: http2.ClientHttp2Session;
const clients: Client[] = [];

before(async () => {
  service = await serveGatedEngines([CASE], { 'queue-items': String(QUEUE), 'stall-ms': '300' });
  for (let i = 0; i < 4; i++) clients.push(openClient(addressOf(service.server)));
  session = http2.connect(`http://${addressOf(service.server)}`);
  session.on('error', () => undefined);
});
after(async () => {
  session.destroy();
  for (const client of clients) client.close();
  await service.close();
});

function open(headers: http2.OutgoingHttpHeaders = {}): http2.ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': ScoreActions.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  stream.resume();
  return stream;
}

/** Requests that wait. */
async function depth(): Promise<number> {
  return Number(/^action_energy_queue_depth\{.*\} (\d+)$/m.exec(await metricsPage(service))?.[1]);
}

/** Calls of ScoreActions by code, and how many began. */
async function outcomes(): Promise<{
  started: number;
  handled: Record<string, number>;
  rejected: Record<string, number>;
}> {
  const page = await metricsPage(service);
  const handled: Record<string, number> = {};
  const rejected: Record<string, number> = {};
  let started = 0;
  for (const line of page.split('\n')) {
    const value = Number(line.split(' ').at(-1));
    const reason = /^action_energy_rejections_total\{.*reason="(\w+)"/.exec(line)?.[1];
    if (reason !== undefined) rejected[reason] = (rejected[reason] ?? 0) + value;
    if (!line.includes('grpc_method="ScoreActions"')) continue;
    const code = /^grpc_server_handled_total\{.*grpc_code="(\w+)"/.exec(line)?.[1];
    if (code !== undefined) handled[code] = value;
    if (line.startsWith('grpc_server_started_total')) started = value;
  }
  return { started, handled, rejected };
}

test('sent is answered, refused and failed, by code and reason', async () => {
  const { engine } = service;
  const [first, greedy, other, third] = clients as [Client, Client, Client, Client];
  const sent = { OK: 0, INVALID_ARGUMENT: 0, RESOURCE_EXHAUSTED: 0, DEADLINE_EXCEEDED: 0, CANCELLED: 0 };
  const expect = async (code: keyof typeof sent, calling: Promise<unknown>): Promise<void> => {
    sent[code]++;
    if (code === 'OK') await calling;
    else assert.equal(Code[(await failure(calling)).code], code);
  };

  await expect('OK', call(first, ScoreActions, request));
  await expect('INVALID_ARGUMENT', call(first, ScoreActions, {}));

  // a full queue: answered in the end, refused on their headers, and one whose deadline passes while it waits
  engine.shut();
  const begun = engine.batches;
  const waiting = [expect('OK', call(other, ScoreActions, request))];
  await until(() => engine.batches > begun);
  waiting.push(
    expect('OK', call(greedy, ScoreActions, request)),
    expect('OK', call(greedy, ScoreActions, request)),
  );
  await until(async () => (await depth()) === 2);
  await expect('RESOURCE_EXHAUSTED', call(greedy, ScoreActions, request));
  await expect('DEADLINE_EXCEEDED', call(third, ScoreActions, request, { timeoutMs: 1_000 }));
  // one that leaves while it waits
  const leaving = open();
  leaving.end(framed(ScoreActions.requestSerialize(request)));
  await until(async () => (await depth()) === 3);
  leaving.close(http2.constants.NGHTTP2_CANCEL);
  sent.CANCELLED++;
  await until(async () => (await depth()) === 2);
  engine.open();
  await Promise.all(waiting);

  // cut before their message, and in the middle of it
  for (const bytes of [0, 3, 100]) {
    const cut = open();
    if (bytes > 0) cut.write(framed(ScoreActions.requestSerialize(request)).subarray(0, bytes));
    await new Promise((resolve) => session.ping(resolve)); // it has arrived
    cut.close(http2.constants.NGHTTP2_CANCEL);
    sent.CANCELLED++;
  }
  // what the transport ends: a message that is too long, a frame that is none, an upload that stalls
  for (const [bytes, code] of [
    [Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]), 'RESOURCE_EXHAUSTED'],
    [Buffer.from([7, 0, 0, 0, 1, 1]), 'INVALID_ARGUMENT'],
    [Buffer.from([0, 0, 0, 1, 0, 1]), 'DEADLINE_EXCEEDED'],
  ] as const) {
    const stream = open();
    stream.write(bytes);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(Code[Number(headers['grpc-status'])], code);
    stream.close();
    sent[code]++;
  }

  const total = Object.values(sent).reduce((sum, count) => sum + count, 0);
  await until(
    async () => Object.values((await outcomes()).handled).reduce((sum, count) => sum + count, 0) === total,
  );
  const { started, handled, rejected } = await outcomes();
  assert.equal(started, total);
  assert.deepEqual(handled, sent);
  assert.deepEqual(rejected, {
    client_share: 1,
    deadline: 1,
    cancelled: 1,
    message_bytes: 1,
    frame: 1,
    stalled: 1,
  });
});

test('calls that the server ends at their deadline count as that and nothing else, calls that their clients end before as cancelled', async (t) => {
  const { engine } = service;
  const counted = async (): Promise<Record<string, number>> => {
    const { handled, rejected } = await outcomes();
    const { DEADLINE_EXCEEDED: late = 0, CANCELLED: cancelled = 0 } = handled;
    return { late, cancelled, waitedTooLong: rejected['deadline'] ?? 0, left: rejected['cancelled'] ?? 0 };
  };
  const frame = framed(ScoreActions.requestSerialize(request));
  engine.shut();
  const begun = engine.batches;
  const running = call(clients[1]!, ScoreActions, request);
  await until(() => engine.batches > begun);
  const before = await counted();
  // this client has no clock of its own: it says how long, and waits to be told
  for (let i = 1; i <= LATE; i++) {
    const stream = open({ 'grpc-timeout': '250m' });
    stream.end(frame);
    await until(async () => (await depth()) === 1);
    // a timer may fire before the clock has come to its time
    const now = Date.now.bind(Date);
    const slow = t.mock.method(Date, 'now', () => now() - 20);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(Number(headers['grpc-status']), Code.DEADLINE_EXCEEDED);
    await until(async () => (await depth()) === 0);
    slow.mock.restore();
  }
  for (let i = 1; i <= LEFT; i++) {
    const stream = open({ 'grpc-timeout': '1H' });
    stream.end(frame);
    await until(async () => (await depth()) === 1);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(async () => (await depth()) === 0);
  }
  engine.open();
  await running;
  const after = await counted();
  const difference = Object.fromEntries(
    Object.entries(after).map(([key, value]) => [key, value - before[key]!]),
  );
  assert.deepEqual(difference, { late: LATE, cancelled: LEFT, waitedTooLong: LATE, left: LEFT });
});

function framed(bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
}
