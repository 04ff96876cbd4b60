/** A TrainStep stream as a test uses it: one message, one answer. */
import { Metadata, type Client, type ServiceError } from '@grpc/grpc-js';
import type { CalibrationRows } from '../../src/generated/action_energy/v1/CalibrationRows.js';
import type { TrainingFigures__Output } from '../../src/generated/action_energy/v1/TrainingFigures.js';
import type { TrainStepRequest } from '../../src/generated/action_energy/v1/TrainStepRequest.js';
import type { TrainStepResponse__Output } from '../../src/generated/action_energy/v1/TrainStepResponse.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { contract } from '../../src/wire/contract.js';
import { tensorMessage } from './service.js';

const { TrainStep } = contract.training;

export interface TrainingStream {
  /** Rejects with the status that the stream ended with. */
  send(message: TrainStepRequest): Promise<TrainStepResponse__Output>;
  /** The figures of a step. Throws for any other answer. */
  step(rows: CalibrationRows): Promise<TrainingFigures__Output>;
  /** Half-closes; resolves when the server has ended the stream, with its error if it had one. */
  end(): Promise<ServiceError | undefined>;
  /** Resolves as `end` does, without ending anything. */
  readonly ended: Promise<ServiceError | undefined>;
  cancel(): void;
}

export function openTraining(client: Client, metadata = new Metadata()): TrainingStream {
  const stream = client.makeBidiStreamRequest(
    TrainStep.path,
    TrainStep.requestSerialize,
    TrainStep.responseDeserialize,
    metadata,
    { deadline: Date.now() + 120_000 },
  );
  let over: ServiceError | Error | undefined;
  const waiting: ((answer: TrainStepResponse__Output | Error) => void)[] = [];
  const ended = new Promise<ServiceError | undefined>((resolve) => {
    const end = (error?: ServiceError): void => {
      over ??= error ?? new Error('the stream has ended');
      for (const settle of waiting.splice(0)) settle(over);
      resolve(error);
    };
    stream.on('data', (answer: TrainStepResponse__Output) => waiting.shift()?.(answer));
    stream.on('error', (error: ServiceError) => end(error));
    stream.on('end', () => end());
  });
  const send = async (message: TrainStepRequest): Promise<TrainStepResponse__Output> => {
    if (over) throw over;
    const answer = new Promise<TrainStepResponse__Output | Error>((resolve) => waiting.push(resolve));
    stream.write(message);
    const outcome = await answer;
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return {
    send,
    async step(rows) {
      const { step, error } = await send({ rows });
      if (!step) throw new Error(error?.message ?? 'no step');
      return step;
    },
    end() {
      stream.end();
      return ended;
    },
    ended,
    cancel: () => stream.cancel(),
  };
}

const FIELDS = {
  hidden: 'hidden',
  pad_mask: 'padMask',
  actions: 'actions',
  negatives: 'negatives',
  candidates: 'candidates',
  candidate_cost: 'candidateCost',
} as const;

/** The rows with these indices of float columns, as a message; `ids` are sent as numbers. */
export function batchMessage(
  tensors: ReadonlyMap<string, Tensor>,
  rows: ArrayLike<number>,
  ids: Readonly<Record<'taskId' | 'episodeId' | 'outcome', string>> = {
    taskId: 'task_id',
    episodeId: 'episode_id',
    outcome: 'outcome',
  },
): CalibrationRows {
  const pick = ({ dtype, shape, bytes }: Tensor): Tensor => {
    const size = bytes.byteLength / shape[0]!;
    const parts = Array.from(rows, (row) => bytes.subarray(row * size, (row + 1) * size));
    return { dtype, shape: [rows.length, ...shape.slice(1)], bytes: Buffer.concat(parts) };
  };
  const message: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const tensor = tensors.get(name);
    if (tensor) message[field] = tensorMessage(pick(tensor));
  }
  for (const [field, name] of Object.entries(ids)) {
    const tensor = tensors.get(name);
    if (tensor?.dtype === 'float32')
      message[field] = [...new Float32Array(Uint8Array.from(pick(tensor).bytes).buffer)];
  }
  return message;
}
