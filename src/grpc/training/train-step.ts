/** TrainStep, from messages and to messages: `start`, then each `rows` or `save` with its answer. */
import { abortFault } from '../../batching/reports.js';
import { Fault, invalid, toFault } from '../../errors.js';
import type { TrainingFigures } from '../../generated/action_energy/v1/TrainingFigures.js';
import type { TrainStepRequest__Output } from '../../generated/action_energy/v1/TrainStepRequest.js';
import type { TrainStepResponse } from '../../generated/action_energy/v1/TrainStepResponse.js';
import type { Scope } from '../../serving/scope.js';
import type { Trainer } from '../../serving/trainer.js';
import type { TrainingParts, TrainingSession } from '../../serving/training-session.js';
import type { StreamedReport } from '../../training/streamed.js';
import type { Decoded, Parsed } from '../../wire/request.js';
import { decodeRows, TENSOR_COLUMNS } from '../calibration/rows-message.js';
import { withinIdle } from '../transport/next-message.js';
import { publicStatus } from '../transport/status.js';
import { decodeStart } from './recipe-message.js';

type Message = Decoded<TrainStepRequest__Output>;

export type TrainStepParts = TrainingParts & { readonly trainer: Trainer };

/** Errors: what ends the stream, as the contract has it. */
export async function* trainStep(
  parts: TrainStepParts,
  messages: AsyncIterable<Message>,
  scope: Scope,
): AsyncGenerator<TrainStepResponse> {
  const { trainer } = parts;
  trainer.checkEnabled();
  const stream = withinIdle(messages, {
    idleMs: trainer.idleMs,
    flag: '--training-idle-ms',
    mend: 'Save what is to be kept, and train on in a new session',
  });
  const beginning = decodeStart(startOf(await stream.next()));
  const session = await trainer.begin(parts, beginning, scope);
  let fault: Fault | undefined;
  try {
    yield { started: { model: session.from, parameters: session.parameters } };
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      yield await answer(parts, session, next.value, scope);
    }
  } catch (error) {
    fault = toFault(error);
    throw error;
  } finally {
    // a client that left while an answer was under way ends this without an error
    await session.close(fault ?? (scope.signal.aborted ? abortFault(scope.signal) : undefined));
  }
}

function startOf(first: IteratorResult<Message>): NonNullable<TrainStepRequest__Output['start']> {
  if (first.done !== true && !first.value.ok) throw first.value.fault;
  const message = first.done === true ? undefined : (first.value as Parsed<TrainStepRequest__Output>).message;
  if (message?.start) return message.start;
  throw invalid('part', 'the first message does not say what to train', {
    found: message === undefined ? 'an empty stream' : (message.part ?? 'nothing'),
    wanted: 'start',
  });
}

/** Errors: `internal` alone, which ends the session; everything else is its answer. */
async function answer(
  { log }: TrainStepParts,
  session: TrainingSession,
  decoded: Message,
  { requestId }: Scope,
): Promise<TrainStepResponse> {
  try {
    if (!decoded.ok) throw decoded.fault;
    const { part, rows, save } = decoded.message;
    if (rows) return { step: figuresOf(await learn(session, rows, decoded.move)) };
    if (save) {
      const { digest, step, name } = await session.save(save.name, save.replace);
      return { saved: { model: { name, digest }, step } };
    }
    throw invalid('part', 'rows or save are wanted', { found: part ?? 'nothing' });
  } catch (error) {
    const fault = toFault(error);
    if (fault.kind === 'internal') throw fault;
    log.debug({ requestId, fault: fault.message }, 'a message of a training session was refused');
    return { error: publicStatus(fault, requestId) };
  }
}

/** `move`: the memory of the message holds nothing else. */
function learn(
  session: TrainingSession,
  rows: NonNullable<TrainStepRequest__Output['rows']>,
  move: boolean,
): Promise<StreamedReport> {
  const columns = decodeRows(rows);
  const moved = new Set<ArrayBuffer>();
  if (move) {
    for (const [, name] of TENSOR_COLUMNS) {
      const tensor = columns.get(name);
      if (tensor !== undefined) moved.add(tensor.bytes.buffer as ArrayBuffer);
    }
  }
  return session.learn(columns, [...moved]);
}

function figuresOf(report: StreamedReport): TrainingFigures {
  const { step, updates, loss, update, positiveEnergy, negativeEnergy, accuracy } = report;
  return {
    step,
    updates,
    energyLoss: loss,
    ...(Number.isFinite(positiveEnergy) && { positiveEnergy }),
    ...(Number.isFinite(negativeEnergy) && { negativeEnergy }),
    ...(Number.isFinite(accuracy) && { accuracy }),
    ...(update && { gradientNorm: update.gradientNorm, learningRate: update.learningRate }),
  };
}
