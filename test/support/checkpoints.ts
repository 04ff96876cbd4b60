/** Checkpoints as `torch.save` and NumPy write them, made in code so that tests need no Python. */
import {
  call,
  dict,
  FALSE,
  global,
  int,
  list,
  orderedDict,
  PERSISTENT_ID,
  pickle,
  raw,
  text,
  tuple,
  type Op,
} from './checkpoints-pickle.js';
import { zipArchive, type ZipMember } from './checkpoints-zip.js';

export interface TensorSpec {
  /** Record `data/KEY`. */
  readonly key: string;
  /** torch's name of the storage class, `FloatStorage` when absent. */
  readonly storage?: string;
  /** Elements that the storage is said to have. */
  readonly elements: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** The persistent id of a storage, as an opcode sequence. */
export function storageOp({ key, storage = 'FloatStorage', elements }: TensorSpec): Op {
  const id = tuple(text('storage'), global('torch', storage), text(key), text('cpu'), int(elements));
  return Buffer.concat([id, PERSISTENT_ID]);
}

export function tensorOp(spec: TensorSpec): Op {
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    storageOp(spec),
    int(spec.offset ?? 0),
    tuple(...spec.shape.map(int)),
    tuple(...spec.strides.map(int)),
    FALSE,
    orderedDict({}),
  );
}

/** A torch.save archive: `pickled` is the whole data.pkl, `storages` the records `data/KEY`. */
export function torchArchive(
  pickled: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  extra: readonly ZipMember[] = [],
  deflate = false,
): Uint8Array {
  return zipArchive([
    { name: 'model/data.pkl', data: pickled, deflate },
    ...Object.entries(storages).map(([key, data]) => ({ name: `model/data/${key}`, data, deflate })),
    ...extra,
  ]);
}

/** The same state dict in the format of before PyTorch 1.6, with parts that may lie. */
export function oldCheckpoint({
  version = 1001,
  little = true,
  keys = ['0'],
  count = 6n,
}: { version?: number; little?: boolean; keys?: readonly string[]; count?: bigint } = {}): Uint8Array {
  const magic = Buffer.concat([raw(0x8a, 10), Buffer.from('6cfc9c46f9206aa85019', 'hex')]);
  const weight = { key: '0', elements: 6, shape: [2, 3], strides: [3, 1] };
  const root = orderedDict({
    weight: tensorOp(weight),
    transposed: tensorOp({ ...weight, shape: [3, 2], strides: [1, 3] }),
  });
  const counted = Buffer.alloc(8);
  counted.writeBigInt64LE(count);
  return new Uint8Array(
    Buffer.concat([
      pickle(magic),
      pickle(int(version)),
      pickle(dict({ protocol_version: int(1001), little_endian: little ? raw(0x88) : FALSE })),
      pickle(root),
      pickle(list(...keys.map(text))),
      counted,
      float32Bytes(0, 1, 2, 3, 4, 5),
    ]),
  );
}

export function float32Bytes(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A healthy state dict of a 2 x 3 matrix 0..5 and its transpose, which share one storage. */
export function smallCheckpoint(deflate = false): Uint8Array {
  const weight = { key: '0', elements: 6, shape: [2, 3], strides: [3, 1] };
  const root = orderedDict({
    weight: tensorOp(weight),
    transposed: tensorOp({ ...weight, shape: [3, 2], strides: [1, 3] }),
  });
  return torchArchive(
    pickle(root),
    { '0': float32Bytes(0, 1, 2, 3, 4, 5) },
    [{ name: 'model/byteorder', data: Buffer.from('little') }],
    deflate,
  );
}

/** An .npy file with the given header literal. */
export function npyFile(header: string, data: Uint8Array, version: 1 | 2 | 3 = 1): Uint8Array {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(header.length, 0, length.length);
  const magic = Buffer.from('\x93NUMPY', 'latin1');
  return new Uint8Array(Buffer.concat([magic, Buffer.from([version, 0]), length, Buffer.from(header), data]));
}

/** A safetensors file with the given JSON, which need not be true. */
export function safetensorsFile(
  json: string | Uint8Array,
  data: Uint8Array,
  declaredLength?: bigint,
): Uint8Array {
  const header = Buffer.from(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(declaredLength ?? BigInt(header.length));
  return new Uint8Array(Buffer.concat([length, header, data]));
}
