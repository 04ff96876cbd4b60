/** The bundled model served from a copy of its own, and its calibration data as a client sends them. */
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Metadata,
  status as Code,
  type Client,
  type ClientWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import type { CalibrateRequest } from '../../src/generated/action_energy/v1/CalibrateRequest.js';
import type { CalibrationRows } from '../../src/generated/action_energy/v1/CalibrationRows.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { contract } from '../../src/wire/contract.js';
import {
  addressOf,
  failure,
  openClient,
  startTestServer,
  tensorMessage,
  type Flags,
  type TestService,
} from './service.js';

const MODELS = fileURLToPath(new URL('../../../models/', import.meta.url));

export const CALIBRATION_FILE = path.join(MODELS, 'examples', 'tiny-reach-calibration.safetensors');
export const EXAMPLE_FILE = path.join(MODELS, 'examples', 'tiny-reach.safetensors');

async function readTensors(file: string): Promise<ReadonlyMap<string, Tensor>> {
  return readSafetensors(file, Uint8Array.from(await readFile(file))).tensors;
}

/** hidden, pad_mask, actions, task_id, episode_id, step, negatives, candidates, candidate_cost of 512 moments. */
export function calibrationTensors(): Promise<ReadonlyMap<string, Tensor>> {
  return readTensors(CALIBRATION_FILE);
}

/** 4 contexts with 16 candidates each and what each costs; `TINY_EXPERTS` are the experts'. */
export function exampleTensors(): Promise<ReadonlyMap<string, Tensor>> {
  return readTensors(EXAMPLE_FILE);
}

export const TINY_EXPERTS = [0, 3, 6, 9] as const;

/** Card and weights alone, without whatever else lies in the bundle. */
export async function copyTinyReach(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const file of ['energy.json', 'weights.safetensors']) {
    await cp(path.join(MODELS, 'tiny-reach', file), path.join(directory, file));
  }
}

export interface TinyService extends TestService {
  /** Folder of the one bundle. */
  readonly bundle: string;
  /** Where calibration data are kept while they run. */
  readonly spool: string;
}

/** `models` of the result holds the bundle `tiny-reach`. `prepare` may put more into it before it is served. */
export async function serveTinyReach(
  flags: Flags = {},
  prepare: (bundle: string) => Promise<void> = () => Promise.resolve(),
): Promise<TinyService> {
  const root = await mkdtemp(path.join(tmpdir(), 'action-energy-tiny-'));
  const models = path.join(root, 'models');
  const spool = path.join(root, 'spool');
  const bundle = path.join(models, 'tiny-reach');
  await mkdir(spool);
  await copyTinyReach(bundle);
  await prepare(bundle);
  const server = await startTestServer(models, { 'calibration-directory': spool, ...flags });
  const client = openClient(addressOf(server));
  return {
    server,
    client,
    models,
    bundle,
    spool,
    async close() {
      client.close();
      await server.close();
      await rm(root, { recursive: true });
    },
  };
}

/** Numbers of an id column, int64 or any width that fits. */
function numbersOf({ dtype, bytes }: Tensor): number[] {
  const { buffer } = bytes.slice();
  if (dtype === 'int64') return Array.from(new BigInt64Array(buffer), Number);
  if (dtype === 'int32') return Array.from(new Int32Array(buffer));
  if (dtype === 'float32') return Array.from(new Float32Array(buffer));
  throw new TypeError(`${dtype} is no id here`);
}

/** Rows `start` to `end` as a message. */
export function calibrationRows(
  tensors: ReadonlyMap<string, Tensor>,
  start: number,
  end: number,
): CalibrationRows {
  const part = (name: string): Tensor => {
    const { dtype, shape, bytes } = tensors.get(name)!;
    const row = bytes.byteLength / shape[0]!;
    return { dtype, shape: [end - start, ...shape.slice(1)], bytes: bytes.subarray(start * row, end * row) };
  };
  return {
    hidden: tensorMessage(part('hidden')),
    padMask: tensorMessage(part('pad_mask')),
    actions: tensorMessage(part('actions')),
    negatives: tensorMessage(part('negatives')),
    taskId: numbersOf(part('task_id')),
    episodeId: numbersOf(part('episode_id')),
    step: numbersOf(part('step')),
  };
}

/** Header and all rows, in messages of `size`. */
export function calibrationMessages(tensors: ReadonlyMap<string, Tensor>, size = 100): CalibrateRequest[] {
  const rows = tensors.get('hidden')!.shape[0]!;
  const list: CalibrateRequest[] = [{ header: { rows, source: 'tiny.safetensors', options: { seed: 0 } } }];
  for (let start = 0; start < rows; start += size) {
    list.push({ rows: calibrationRows(tensors, start, Math.min(rows, start + size)) });
  }
  return list;
}

interface StreamMethod<Output> {
  readonly path: string;
  readonly requestSerialize: (request: CalibrateRequest) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Output;
}

export interface OpenCalibration<Output> {
  readonly stream: ClientWritableStream<CalibrateRequest>;
  readonly answer: Promise<Output>;
}

/** A client stream that the test writes to by itself. */
export function openCalibration<Output>(
  client: Client,
  { path: method, requestSerialize, responseDeserialize }: StreamMethod<Output>,
  timeoutMs = 120_000,
  metadata = new Metadata(),
): OpenCalibration<Output> {
  let settle!: (error: ServiceError | null, output?: Output) => void;
  const answer = new Promise<Output>((resolve, reject) => {
    settle = (error, output) => (error === null ? resolve(output!) : reject(error));
  });
  const stream = client.makeClientStreamRequest(
    method,
    requestSerialize,
    responseDeserialize,
    metadata,
    { deadline: Date.now() + timeoutMs },
    settle,
  );
  stream.on('error', () => undefined); // the answer rejects with it
  return { stream, answer };
}

/** Resolves when the model takes another calibration: its client knows of a cancelled one's end before the server does. */
export async function calibrationEnded(client: Client): Promise<void> {
  for (;;) {
    const { stream, answer } = openCalibration(client, contract.calibration.Evaluate);
    stream.write({ header: { rows: 2 } });
    stream.end();
    const { code } = await failure(answer);
    if (code !== Code.RESOURCE_EXHAUSTED) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Sends messages, one after the other, and waits for the answer. */
export function sendCalibration<Output>(
  client: Client,
  method: StreamMethod<Output>,
  messages: readonly CalibrateRequest[],
): Promise<Output> {
  const { stream, answer } = openCalibration(client, method);
  for (const message of messages) stream.write(message);
  stream.end();
  return answer;
}
