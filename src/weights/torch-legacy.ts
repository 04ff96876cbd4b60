/**
 * Checkpoints of `torch.save` before PyTorch 1.6 (or with `_use_new_zipfile_serialization=False`): pickles one after the
 * other (magic number, version, system, the object, the keys of its storages), then each storage as its element count
 * (int64) and its elements. Source: `_legacy_save` in `torch/serialization.py`. Nothing is executed.
 */
import { invalid } from '../errors.js';
import { BYTES_PER_ELEMENT, type Tensor } from '../tensor/tensor.js';
import { MAX_PICKLE_BYTES, readPickle, type Pickled } from './pickle.js';
import { PickleDict, PickleList, typeName, type PickleValue, type StorageRef } from './pickle-values.js';
import { selectStateDict, type StateDictOptions } from './state-dict.js';
import { tensorsOf } from './torch-tensors.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;
const COUNT_BYTES = 8;

/** The tensors by name, as `readTorch` gives them. Errors name `field`. */
export async function readTorchLegacy(
  field: string,
  bytes: Uint8Array,
  options: StateDictOptions = {},
): Promise<Map<string, Tensor>> {
  let position = 0;
  const next = (what: string): Pickled => {
    const rest = bytes.subarray(position, position + MAX_PICKLE_BYTES);
    const pickled = readPickle(`${field}: ${what}`, rest);
    position += pickled.byteLength;
    return pickled;
  };
  if (next('magic number').value !== MAGIC) {
    throw invalid(field, 'a bare pickle, not a checkpoint of torch.save', {
      wanted: 'safetensors, a torch.save checkpoint (.pt) or .npz',
      mend: "Save the tensors by name: torch.save({'name': tensor}, path).",
    });
  }
  const version = next('protocol version').value;
  if (version !== VERSION) {
    throw invalid(field, 'unsupported version of the old torch.save format', {
      found: typeof version === 'number' ? String(version) : typeName(version),
      wanted: String(VERSION),
      mend: 'Load it in a current PyTorch and save it again: torch.save(torch.load(path), path).',
    });
  }
  checkSystem(field, next('system').value);
  const { value, storages } = next('checkpoint');
  const refs = selectStateDict(field, value, options);
  const keys = storageKeys(field, next('storage keys').value);
  const records = readStorages(field, bytes, position, keys, storages);
  return tensorsOf(field, refs, {
    sizeBytes: bytes.byteLength,
    read: async ({ key, dtype, elements }) => {
      const data = records.get(key);
      const wanted = elements * BYTES_PER_ELEMENT[dtype];
      if (data?.byteLength === wanted) return data;
      throw invalid(`${field}: storage ${key}`, data ? 'storage has a wrong size' : 'storage is missing', {
        ...(data ? { found: `${data.byteLength} bytes` } : {}),
        wanted: `${wanted} bytes for ${elements} values of ${dtype}`,
      });
    },
  });
}

function checkSystem(field: string, system: PickleValue): void {
  const little = system instanceof PickleDict ? system.entries.get('little_endian') : undefined;
  if (little !== false) return;
  throw invalid(field, 'unsupported byte order', {
    found: 'big',
    wanted: 'little',
    mend: 'Save it again on a little-endian machine.',
  });
}

function storageKeys(field: string, value: PickleValue): string[] {
  const items = value instanceof PickleList ? value.items : [];
  const keys = items.filter((item) => typeof item === 'string');
  if (value instanceof PickleList && keys.length === items.length) return keys;
  throw invalid(`${field}: storage keys`, 'not a list of names');
}

/** The storages that follow the pickles, in the order of `keys`; views of `bytes`. */
function readStorages(
  field: string,
  bytes: Uint8Array,
  start: number,
  keys: readonly string[],
  mentioned: readonly StorageRef[],
): Map<string, Uint8Array> {
  const elementBytes = new Map(mentioned.map(({ key, dtype }) => [key, BYTES_PER_ELEMENT[dtype]]));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records = new Map<string, Uint8Array>();
  let position = start;
  for (const key of keys) {
    const size = elementBytes.get(key);
    if (size === undefined)
      throw invalid(`${field}: storage ${key}`, 'belongs to no tensor, so its size is unknown');
    const left = bytes.byteLength - position;
    const count = left >= COUNT_BYTES ? view.getBigInt64(position, true) : -1n;
    if (count < 0n || count * BigInt(size) > BigInt(left - COUNT_BYTES)) {
      throw invalid(`${field}: storage ${key}`, 'the file ends within a storage', {
        found: `${left} bytes left`,
        ...(count < 0n ? {} : { wanted: `${COUNT_BYTES + Number(count) * size} bytes` }),
        mend: 'The file is truncated or damaged.',
      });
    }
    position += COUNT_BYTES;
    records.set(key, bytes.subarray(position, position + Number(count) * size));
    position += Number(count) * size;
  }
  return records;
}
