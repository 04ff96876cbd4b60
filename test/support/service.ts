/** A real server on a free port with the real engine on golden models, and a typed client for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, credentials, Metadata, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { loadConfig } from '../../src/config/load.js';
import type { Engine } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import type { InlineContext } from '../../src/generated/action_energy/v1/InlineContext.js';
import type { Tensor as TensorMessage } from '../../src/generated/action_energy/v1/Tensor.js';
import { saveBundle, type ModelBundle } from '../../src/model/bundle.js';
import { startServer, type RunningServer } from '../../src/grpc/server.js';
import type { DType, Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { goldenModel, goldenTensors, type GoldenCase } from './bundles.js';

export type Flags = Readonly<Record<string, string | boolean | readonly string[]>>;

/** One thread, so that tests running side by side do not fight for cores. */
export function startTestEngine(bundle: Pick<ModelBundle, 'card' | 'weights'>): Promise<Engine> {
  return startEngine(bundle, { provider: 'cpu', threads: 1 });
}

/** Writes golden cases as bundles into `directory`. */
export async function writeGoldenBundles(directory: string, names: readonly GoldenCase[]): Promise<void> {
  for (const name of names) {
    const { card, weights } = goldenModel(name);
    await saveBundle(path.join(directory, name), card, weights);
  }
}

/** Serves the bundles in `models` on a free port; without live quality, whose samples are drawn at random. */
export function startTestServer(
  models: string,
  flags: Flags = {},
  engine: (bundle: ModelBundle) => Promise<Engine> = startTestEngine,
): Promise<RunningServer> {
  const config = loadConfig({
    flags: { models, address: '127.0.0.1:0', 'metrics-address': 'none', 'quality-share': '0', ...flags },
  });
  return startServer(config, { log: pino({ level: 'silent' }), startEngine: engine });
}

export function addressOf(server: RunningServer): string {
  const [address] = server.addresses;
  if (address === undefined) throw new Error('the server listens nowhere');
  return address;
}

/** A channel of its own for every client, so that closing one server cannot disturb another test. */
const OPTIONS = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': -1 };

export function openClient(
  address: string,
  creds: ChannelCredentials = credentials.createInsecure(),
): Client {
  return new Client(address, creds, OPTIONS);
}

export interface CallOptions {
  readonly metadata?: Metadata;
  readonly timeoutMs?: number;
}

interface Callable<Request, Output> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Output;
}

/** One unary call, e.g. `call(client, contract.energy.ScoreActions, request)`. Rejects with a `ServiceError`. */
export function call<Request, Output>(
  client: Client,
  { path: method, requestSerialize, responseDeserialize }: Callable<Request, Output>,
  request: NoInfer<Request>,
  { metadata = new Metadata(), timeoutMs = 30_000 }: CallOptions = {},
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + timeoutMs };
    client.makeUnaryRequest(
      method,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (error, output) => {
        if (error !== null || output === undefined) reject(error ?? new Error('no response'));
        else resolve(output);
      },
    );
  });
}

/** The error that a call fails with. */
export async function failure(calling: Promise<unknown>): Promise<ServiceError> {
  try {
    await calling;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error as ServiceError;
    throw error;
  }
  throw new Error('the call succeeded');
}

const WIRE_DTYPES: Partial<Record<DType, TensorMessage['dtype']>> = {
  float32: 'FLOAT32',
  float16: 'FLOAT16',
  bfloat16: 'BFLOAT16',
  bool: 'BOOL',
};

export function tensorMessage({ dtype, shape, bytes }: Tensor): TensorMessage {
  const wire = WIRE_DTYPES[dtype];
  if (wire === undefined) throw new TypeError(`${dtype} has no place on the wire`);
  return { dtype: wire, shape: [...shape], data: Buffer.from(bytes) };
}

/** Row `index` along the first axis. */
export function row({ dtype, shape, bytes }: Tensor, index: number): Tensor {
  const rows = shape[0] ?? 1;
  const size = bytes.byteLength / rows;
  return { dtype, shape: shape.slice(1), bytes: bytes.subarray(index * size, (index + 1) * size) };
}

/** The google.rpc.BadRequest field of an error; undefined when it has none. */
export function badField(error: ServiceError): string | undefined {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return undefined;
  for (const detail of contract.status.deserialize(bytes).details) {
    if (!('type_url' in detail) || !detail.type_url.endsWith('google.rpc.BadRequest')) continue;
    return contract.badRequest.deserialize(detail.value).fieldViolations[0]?.field;
  }
  return undefined;
}

export interface TestService {
  readonly server: RunningServer;
  readonly client: Client;
  /** Where the bundles are. */
  readonly models: string;
  close(): Promise<void>;
}

/** Golden models served from a folder of their own. */
export async function serveGolden(
  names: readonly GoldenCase[],
  flags: Flags = {},
  engine: (bundle: ModelBundle) => Promise<Engine> = startTestEngine,
): Promise<TestService> {
  const models = await mkdtemp(path.join(tmpdir(), 'action-energy-service-'));
  await writeGoldenBundles(models, names);
  const server = await startTestServer(models, flags, engine);
  const client = openClient(addressOf(server));
  return {
    server,
    client,
    models,
    async close() {
      client.close();
      await server.close();
      await rm(models, { recursive: true });
    },
  };
}

/** The metrics as Prometheus would get them. */
export async function metricsPage({ server }: Pick<TestService, 'server'>): Promise<string> {
  return (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
}

/** Context `index` of a golden case's inputs. */
export function goldenContext(inputs: ReadonlyMap<string, Tensor>, index: number): InlineContext {
  const hidden = inputs.get('hidden');
  const mask = inputs.get('pad_mask');
  if (hidden === undefined) throw new Error('no hidden');
  return {
    hidden: tensorMessage(row(hidden, index)),
    ...(mask && { padMask: tensorMessage(row(mask, index)) }),
  };
}

/** The first context of a golden case with its actions as candidates. */
export function goldenRequest(name: GoldenCase): { inline: InlineContext; candidates: TensorMessage } {
  const inputs = goldenTensors(name, 'inputs');
  return { inline: goldenContext(inputs, 0), candidates: tensorMessage(inputs.get('actions')!) };
}

/** Waits until `condition` holds; the test's own time limit is the bound. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}
