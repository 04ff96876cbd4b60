/** Calibration data from files to the stream of `Calibrate` and `Evaluate`, a few megabytes a message. */
import { once } from 'node:events';
import type { Client, ClientWritableStream, Metadata } from '@grpc/grpc-js';
import type { CalibrationData } from '../calibration/data/calibration-data.js';
import { toFault } from '../errors.js';
import type { CalibrateRequest } from '../generated/action_energy/v1/CalibrateRequest.js';
import type { CalibrationHeader } from '../generated/action_energy/v1/CalibrationHeader.js';
import type { CalibrationRows } from '../generated/action_energy/v1/CalibrationRows.js';
import type { Tensor as TensorMessage } from '../generated/action_energy/v1/Tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { encodeFloat32 } from '../wire/tensor-message.js';
import type { CallSettings, UnaryMethod } from './call.js';
import { faultOfError } from './faults.js';

/** Aimed at; a row that is larger by itself goes alone. */
const MESSAGE_BYTES = 4 * 2 ** 20;

export interface CalibrationUpload {
  readonly data: CalibrationData;
  readonly header: Omit<CalibrationHeader, 'rows'>;
  /** True for a global_context model, whose contexts are one vector each. */
  readonly single: boolean;
  /** After each message: how many rows it held. */
  readonly onRows?: (count: number) => void;
}

/** Sends everything, as fast as the server reads, and waits for the answer. Errors: those of the data and of the server. */
export function uploadCalibration<Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: UnaryMethod<CalibrateRequest, Response>,
  upload: CalibrationUpload,
  metadata: Metadata,
  { timeoutMs, signal }: Pick<CallSettings, 'timeoutMs' | 'signal'> = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const stream: ClientWritableStream<CalibrateRequest> = client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
      (error, response) => {
        ended.abort();
        if (error === null) resolve(response!);
        else reject(faultOfError(error));
      },
    );
    const ended = new AbortController();
    signal?.addEventListener('abort', () => stream.cancel(), { signal: ended.signal });
    stream.on('error', () => undefined); // the callback has it too
    send(stream, upload, ended.signal).catch((error: unknown) => {
      reject(toFault(error));
      stream.cancel();
    });
  });
}

async function send(
  stream: ClientWritableStream<CalibrateRequest>,
  { data, header, single, onRows }: CalibrationUpload,
  ended: AbortSignal,
): Promise<void> {
  const write = async (message: CalibrateRequest): Promise<void> => {
    if (!ended.aborted && !stream.write(message)) await once(stream, 'drain', { signal: ended });
  };
  try {
    await write({ header: { ...header, rows: data.rows } });
    for (let row = 0; row < data.rows && !ended.aborted;) {
      const rows: Row[] = [];
      for (let bytes = 0; row < data.rows && (rows.length === 0 || bytes < MESSAGE_BYTES); row++) {
        const next = await readRow(data, row);
        bytes += next.hidden.bytes.byteLength;
        rows.push(next);
      }
      await write({ rows: rowsMessage(data, rows, single) });
      onRows?.(rows.length);
    }
  } catch (error) {
    if (!ended.aborted) throw error; // otherwise the server has answered already, and its answer counts
  }
  stream.end();
}

interface Row {
  readonly index: number;
  readonly hidden: Tensor;
  readonly mask: Tensor | undefined;
  readonly actions: Float32Array;
  readonly negatives: Float32Array | undefined;
  readonly layers: readonly Float32Array[];
  readonly policy: Float32Array | undefined;
  readonly candidates: Float32Array | undefined;
  readonly costs: Float64Array | undefined;
  readonly groups: Float64Array | undefined;
}

async function readRow(data: CalibrationData, index: number): Promise<Row> {
  const { hidden, mask } = await data.context(index);
  const layers = Array.from({ length: data.layers }, (_, layer) => data.layerActions(layer, index));
  return {
    index,
    hidden,
    mask,
    actions: await data.actions(index),
    negatives: data.explicit > 0 ? await data.negatives(index, data.explicit) : undefined,
    layers: await Promise.all(layers),
    policy: data.hasPolicy ? await data.policyActions(index) : undefined,
    candidates: data.candidates > 0 ? await data.candidateChunks(index) : undefined,
    costs: data.hasCost ? await data.candidateCosts(index) : undefined,
    groups: data.hasTokenGroups ? await data.tokenGroups(index) : undefined,
  };
}

/** Contexts go ragged, which holds for contexts of one length as well. */
function rowsMessage(data: CalibrationData, rows: readonly Row[], single: boolean): CalibrationRows {
  const { steps: H, dims: A, explicit: K, layers: L, candidates: N } = data;
  const m = rows.length;
  const offsets = [0];
  for (const { hidden } of rows) offsets.push(offsets.at(-1)! + hidden.shape[0]!);
  const tokens = offsets.at(-1)!;
  const [{ hidden: first } = { hidden: undefined }] = rows;
  const ids = (values: Float64Array | undefined): number[] =>
    values === undefined ? [] : rows.map(({ index }) => values[index]!);
  return {
    hidden: {
      dtype: first!.dtype === 'float32' ? 'FLOAT32' : first!.dtype === 'float16' ? 'FLOAT16' : 'BFLOAT16',
      shape: [tokens, first!.shape.at(-1)!],
      data: Buffer.concat(rows.map(({ hidden }) => hidden.bytes)),
    },
    ...(!single && { offsets }),
    actions: floats(
      [m, H, A],
      rows.map(({ actions }) => actions),
    ),
    ...(data.hasMask && {
      padMask: {
        dtype: 'BOOL',
        shape: single ? [m, 1] : [tokens],
        data: Buffer.concat(rows.map(({ mask }) => mask!.bytes)),
      },
    }),
    taskId: ids(data.task),
    episodeId: ids(data.episode),
    step: ids(data.step),
    outcome: ids(data.outcome),
    tokenGroup: rows.flatMap(({ groups }) => Array.from(groups ?? [])),
    ...(K > 0 && {
      negatives: floats(
        [m, K, H, A],
        rows.map(({ negatives }) => negatives!),
      ),
    }),
    ...(L > 0 && {
      layerActions: floats(
        [L, m, H, A],
        Array.from({ length: L }, (_, layer) => rows.map(({ layers }) => layers[layer]!)).flat(),
      ),
    }),
    ...(data.hasPolicy && {
      policyActions: floats(
        [m, H, A],
        rows.map(({ policy }) => policy!),
      ),
    }),
    ...(N > 0 && {
      candidates: floats(
        [m, N, H, A],
        rows.map(({ candidates }) => candidates!),
      ),
    }),
    ...(data.hasCost && {
      candidateCost: floats(
        [m, N],
        rows.map(({ costs }) => Float32Array.from(costs!)),
      ),
    }),
  };
}

function floats(shape: readonly number[], parts: readonly Float32Array[]): TensorMessage {
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return encodeFloat32(shape, values);
}
