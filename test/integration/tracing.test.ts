/**
 * A request as spans of OpenTelemetry, with the real SDK: in memory beside a server, and sent by OTLP from `action-energy serve`
 * with the setup of examples/tracing, as docs/deploy.md tells it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { Metadata } from '@grpc/grpc-js';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-node';
import { EnergyClient } from '../../src/client/energy-client.js';
import { CallTraces } from '../../src/grpc/transport/call-scope.js';
import { contract } from '../../src/wire/contract.js';
import { withDirectory } from '../support/bundles.js';
import { startServerProcess } from '../support/server-process.js';
import {
  addressOf,
  call,
  failure,
  goldenRequest,
  openClient,
  serveGolden,
  until,
  writeGoldenBundles,
  type TestService,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SCORE = 'action_energy.v1.EnergyService/ScoreActions';
const OTLP_SETUP = fileURLToPath(new URL('../../../examples/tracing/otlp.mjs', import.meta.url));

const exporter = new InMemorySpanExporter();
let service: TestService;

function traced(flags: '00' | '01' = '01'): Metadata {
  const metadata = new Metadata();
  metadata.set('traceparent', `00-${TRACE}-${PARENT}-${flags}`);
  metadata.set('x-request-id', 'robot-7');
  return metadata;
}

/** The spans of one call, the call's own first, once it and `stages` are all there. */
async function spansOf(name: string, ...stages: string[]): Promise<[ReadableSpan, ...ReadableSpan[]]> {
  let found: ReadableSpan[] = [];
  await until(() => {
    found = exporter.getFinishedSpans();
    return [name, ...stages].every((wanted) => found.some((span) => span.name === wanted));
  });
  exporter.reset();
  const own = found.find((span) => span.name === name)!;
  return [own, ...found.filter((span) => span !== own)];
}

const ms = ([seconds, nanos]: ReadableSpan['startTime']): number => seconds * 1000 + nanos / 1e6;

// before there is an SDK in this process
const untraced = new CallTraces().begin(traced(), `/${SCORE}`, 0);

before(async () => {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  service = await serveGolden([CASE]);
});
after(() => service.close());

test('without an SDK there is no trace', () => {
  assert.equal(untraced, undefined);
});

test("a call goes on with its caller's trace and shows its stages", async () => {
  const stages = ['receive', 'decode', 'queue', 'encode', 'score', 'respond'];
  await call(service.client, contract.energy.ScoreActions, goldenRequest(CASE), { metadata: traced() });
  const [own, ...parts] = await spansOf(SCORE, ...stages);
  assert.equal(own.kind, SpanKind.SERVER);
  assert.equal(own.spanContext().traceId, TRACE);
  assert.equal(own.parentSpanContext?.spanId, PARENT);
  assert.equal(own.status.code, SpanStatusCode.UNSET);
  assert.deepEqual(own.attributes, {
    'rpc.system.name': 'grpc',
    'rpc.method': SCORE,
    'rpc.response.status_code': 'OK',
    'action_energy.request_id': 'robot-7',
    'action_energy.model': CASE,
    'action_energy.batch.requests': 1,
  });
  assert.deepEqual(parts.map(({ name }) => name).sort(), [...stages].sort());
  const inOrder = stages.map((stage) => parts.find(({ name }) => name === stage)!);
  let last = ms(own.startTime);
  for (const part of inOrder) {
    assert.equal(part.parentSpanContext?.spanId, own.spanContext().spanId);
    // stages stand in a row; a thousandth of a millisecond is lost in nanoseconds of an epoch
    assert.ok(ms(part.startTime) >= last - 0.01, `${part.name} begins before ${last}`);
    last = ms(part.endTime);
  }
  assert.ok(last - ms(own.startTime) < 60_000, 'on the clock of the call');
});

test('a kept context needs no encoding, and its trace shows none', async () => {
  const { inline, candidates } = goldenRequest(CASE);
  const put = await call(service.client, contract.energy.PutContext, { context: inline });
  await spansOf('action_energy.v1.EnergyService/PutContext', 'encode');
  const contextId = put.context!.contextId;
  await call(service.client, contract.energy.ScoreActions, { contextId, candidates });
  const [own, ...parts] = await spansOf(SCORE, 'score', 'respond');
  assert.ok(!parts.some(({ name }) => name === 'encode'));
  assert.equal(own.parentSpanContext, undefined, "a call without a caller's trace begins one");
});

test("a caller's mistake is told and is no error of the server", async () => {
  const { candidates } = goldenRequest(CASE);
  await failure(call(service.client, contract.energy.ScoreActions, { contextId: 'gone', candidates }));
  const [own] = await spansOf(SCORE);
  assert.equal(own.attributes['rpc.response.status_code'], 'NOT_FOUND');
  assert.equal(own.status.code, SpanStatusCode.UNSET);
});

test('a refused and an expired call have their spans, too', async () => {
  const options = { timeoutMs: 1, metadata: traced() };
  await failure(call(service.client, contract.energy.ScoreActions, goldenRequest(CASE), options));
  const [own] = await spansOf(SCORE);
  assert.equal(own.attributes['rpc.response.status_code'] !== 'OK', true);
  assert.equal(own.spanContext().traceId, TRACE);
});

test('what the caller does not sample is not recorded', async () => {
  const metadata = traced('00');
  await call(service.client, contract.energy.ScoreActions, goldenRequest(CASE), { metadata });
  await call(service.client, contract.energy.ListModels, {});
  const spans = await spansOf('action_energy.v1.EnergyService/ListModels');
  assert.deepEqual(
    spans.map(({ name }) => name),
    ['action_energy.v1.EnergyService/ListModels'],
  );
});

test('each message of a stream is a span below its call', async () => {
  const client = await EnergyClient.open({ address: addressOf(service.server) });
  try {
    const stream = client.stream();
    await Promise.all([1, 2].map(() => stream.score({ ...goldenRequest(CASE) })));
    stream.end();
    const name = 'action_energy.v1.EnergyService/ScoreActionsStream';
    const [own, ...others] = await spansOf(name, 'ScoreActionsStream message', 'respond');
    const messages = others.filter((span) => span.name === 'ScoreActionsStream message');
    assert.equal(messages.length, 2);
    for (const message of messages) {
      assert.equal(message.parentSpanContext?.spanId, own.spanContext().spanId);
      const stages = others.filter((span) => span.parentSpanContext?.spanId === message.spanContext().spanId);
      assert.deepEqual(
        ['decode', 'queue', 'encode', 'score'].filter((stage) => !stages.some((span) => span.name === stage)),
        [],
      );
    }
  } finally {
    client.close();
  }
});

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: { stringValue?: string } }[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly { name: string; traceId: string; parentSpanId?: string }[];
    }[];
  }[];
}

test('action-energy serve sends spans by OTLP, and its log carries the trace', () =>
  withDirectory(async (models) => {
    await writeGoldenBundles(models, [CASE]);
    const received: OtlpTraces[] = [];
    const collector = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        if (request.url === '/v1/traces')
          received.push(JSON.parse(Buffer.concat(parts).toString()) as OtlpTraces);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${port}`;
    const server = await startServerProcess(
      ['--models', models, '--provider', 'cpu', '--threads', '1', '--log-level', 'debug'],
      ['--import', OTLP_SETUP],
    );
    const client = openClient(server.address);
    try {
      await call(client, contract.energy.ScoreActions, goldenRequest(CASE), { metadata: traced() });
      const spans = (): OtlpTraces['resourceSpans'][number]['scopeSpans'][number]['spans'] =>
        received.flatMap(({ resourceSpans }) =>
          resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans: each }) => each)),
        );
      await until(() => spans().length >= 7);
      assert.deepEqual(
        spans()
          .map(({ name }) => name)
          .sort(),
        ['receive', 'decode', 'queue', 'encode', 'score', 'respond', SCORE].sort(),
      );
      assert.ok(spans().every(({ traceId }) => traceId === TRACE));
      assert.equal(spans().find(({ name }) => name === SCORE)?.parentSpanId, PARENT);
      const { attributes } = received[0]!.resourceSpans[0]!.resource;
      assert.equal(attributes.find(({ key }) => key === 'service.name')?.value.stringValue, 'action-energy');
      await until(() => server.log.some((line) => line.includes('"requestId":"robot-7"')));
      const line = server.log.find((each) => each.includes('"requestId":"robot-7"'))!;
      assert.equal((JSON.parse(line) as { trace_id?: string }).trace_id, TRACE);
    } finally {
      client.close();
      assert.deepEqual(await server.stop(), { code: 0, signal: null });
      collector.close();
      collector.closeAllConnections();
    }
  }));
