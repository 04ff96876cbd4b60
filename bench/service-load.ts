/**
 * The load's end of the wire: callers in a closed loop, by the client that policy servers have (Python, gRPC's C core, a
 * process of its own) or by Node's. Both send bytes that were made beforehand: the load shares the cores with what it
 * measures.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, type Metadata } from '@grpc/grpc-js';
import { callUnary, type UnaryMethod } from '../src/client/call.js';
import { channelParts } from '../src/client/channel.js';
import { Fault, toFault } from '../src/errors.js';
import type { ScoreActionsRequest } from '../src/generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse__Output } from '../src/generated/action_energy/v1/ScoreActionsResponse.js';
import { contract } from '../src/wire/contract.js';
import { runClosedLoop } from '../src/client/load-loops.js';

const PROGRAM = fileURLToPath(new URL('../../bench/load_client.py', import.meta.url));

export interface LoadTask {
  /** File with a serialised ScoreActionsRequest. */
  readonly message: string;
  readonly callers: number;
  readonly ms: number;
  /** What every call must end with. */
  readonly status: 'OK' | 'INVALID_ARGUMENT';
}

export interface LoadResult {
  readonly latenciesMs: readonly number[];
  readonly seconds: number;
  /** Of the load itself. */
  readonly cpuSeconds: number;
}

export interface Load {
  run(task: LoadTask): Promise<LoadResult>;
  close(): void;
}

export function scoreMessage(request: ScoreActionsRequest): Buffer {
  return contract.energy.ScoreActions.requestSerialize(request);
}

/** Errors: no such Python, or one without grpcio; a call that ends otherwise than it must. */
export async function openPythonLoad(python: string, address: string): Promise<Load> {
  const child = spawn(python, [PROGRAM, address], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child, 'spawn');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run(task) {
      child.stdin.write(`${JSON.stringify(task)}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Fault('internal', `the load client ended (${await exitOf(child)})`);
      return JSON.parse(line.value) as LoadResult;
    },
    close: () => child.stdin.end(),
  };
}

async function exitOf(child: ChildProcess): Promise<string> {
  if (child.exitCode === null) await once(child, 'exit');
  return `exit code ${child.exitCode}`;
}

/** In this process, whose processor time is then the load's. */
export async function openNodeLoad(address: string): Promise<Load> {
  const { credentials, options, metadata } = await channelParts({ address });
  const channel = new Client(address, credentials, options);
  return {
    async run({ message, callers, ms, status }) {
      const bytes = readFileSync(message);
      const before = process.cpuUsage();
      const startMs = performance.now();
      const { latenciesMs } = await runClosedLoop(callers, ms, () => send(channel, metadata, bytes, status));
      const { user, system } = process.cpuUsage(before);
      return {
        latenciesMs,
        seconds: (performance.now() - startMs) / 1000,
        cpuSeconds: (user + system) / 1e6,
      };
    },
    close: () => channel.close(),
  };
}

const SCORE_BYTES: UnaryMethod<Buffer, ScoreActionsResponse__Output> = {
  path: contract.energy.ScoreActions.path,
  requestSerialize: (bytes) => bytes,
  responseDeserialize: contract.energy.ScoreActions.responseDeserialize,
};

async function send(
  channel: Client,
  metadata: Metadata,
  bytes: Buffer,
  status: LoadTask['status'],
): Promise<void> {
  const kind = await callUnary(channel, SCORE_BYTES, bytes, metadata, { retries: 0 }).then(
    () => 'OK',
    (error: unknown) => {
      const fault = toFault(error);
      if (fault.kind === 'invalid') return 'INVALID_ARGUMENT';
      throw fault;
    },
  );
  if (kind !== status) throw new Fault('internal', `a call ended with ${kind}; wanted ${status}`);
}
