/** Rows of a calibration stream as named tensors in the layout of calibration files. */
import { invalid } from '../../errors.js';
import type { CalibrationRows__Output } from '../../generated/action_energy/v1/CalibrationRows.js';
import type { Tensor } from '../../tensor/tensor.js';
import { decodeTensor } from '../../wire/tensor-message.js';

/** Columns that travel as tensors: field of the message, name in files, axes. */
export const TENSOR_COLUMNS = [
  ['hidden', 'hidden', '[m, S, D], [T, D] or [m, D]'],
  ['actions', 'actions', '[m, H, A]'],
  ['padMask', 'pad_mask', '[m, S] or [T]'],
  ['negatives', 'negatives', '[m, K, H, A]'],
  ['layerActions', 'layer_actions', '[L, m, H, A]'],
  ['policyActions', 'policy_actions', '[m, H, A]'],
  ['candidates', 'candidates', '[m, N, H, A]'],
  ['candidateCost', 'candidate_cost', '[m, N]'],
] as const satisfies readonly (readonly [keyof CalibrationRows__Output, string, string])[];

/** Columns that travel as lists of numbers. */
export const NUMBER_COLUMNS = [
  ['taskId', 'task_id'],
  ['episodeId', 'episode_id'],
  ['step', 'step'],
  ['outcome', 'outcome'],
] as const satisfies readonly (readonly [keyof CalibrationRows__Output, string])[];

/**
 * The columns that are present. Errors: tensors that are malformed by themselves, ids and offsets that are none.
 */
export function decodeRows(message: CalibrationRows__Output): Map<string, Tensor> {
  const columns = new Map<string, Tensor>();
  for (const [field, name, axes] of TENSOR_COLUMNS) {
    const tensor = message[field];
    if (tensor) columns.set(name, decodeTensor(`rows.${name}`, tensor, axes));
  }
  for (const [field, name] of NUMBER_COLUMNS) {
    const values = message[field].map(Number);
    if (values.length > 0) columns.set(name, numbers(name, values));
  }
  if (message.offsets.length > 0) {
    columns.set('offsets', offsets(message.offsets, columns.get('hidden')?.shape[0]));
  }
  if (message.tokenGroup.length > 0) {
    const shape = columns.get('hidden')?.shape ?? [];
    // [T, D] or [m, D] have a token a row, [m, S, D] has S
    const groups = Int32Array.from(message.tokenGroup);
    const bad = groups.findIndex((group) => group < 0); // beyond int32 it has wrapped round
    if (bad >= 0) {
      throw invalid(`rows.token_group[${bad}]`, 'not a group', {
        found: String(message.tokenGroup[bad]),
        wanted: 'below 2^31',
      });
    }
    const columnShape = shape.length === 3 ? [shape[0]!, groups.length / shape[0]!] : [groups.length];
    if (!Number.isInteger(columnShape.at(-1))) {
      throw invalid('rows.token_group', 'one entry a context token', {
        found: String(groups.length),
        wanted: String(shape[0]! * shape[1]!),
      });
    }
    columns.set('token_group', { dtype: 'int32', shape: columnShape, bytes: bytesOf(groups) });
  }
  return columns;
}

function numbers(name: string, values: readonly number[]): Tensor {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw invalid(`rows.${name}[${bad}]`, 'not a number', {
      found: String(values[bad]),
      wanted: 'a finite number',
    });
  }
  return { dtype: 'float64', shape: [values.length], bytes: bytesOf(Float64Array.from(values)) };
}

function offsets(values: readonly number[], tokens: number | undefined): Tensor {
  const bad = values.findIndex((value, i) => (i === 0 ? value !== 0 : value <= values[i - 1]!));
  if (bad >= 0) {
    throw invalid(`rows.offsets[${bad}]`, 'offsets start at 0 and grow: every row has tokens', {
      found: String(values[bad]),
      wanted: bad === 0 ? '0' : `above ${values[bad - 1]}`,
    });
  }
  if (values.at(-1) !== tokens) {
    throw invalid(`rows.offsets[${values.length - 1}]`, 'the last offset is the number of tokens', {
      found: String(values.at(-1)),
      wanted: `${tokens ?? 'tokens'}, as hidden has rows`,
    });
  }
  return { dtype: 'int64', shape: [values.length], bytes: bytesOf(BigInt64Array.from(values, BigInt)) };
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array | BigInt64Array | Int32Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}
