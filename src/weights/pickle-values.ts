/** What a restricted pickle can hold: plain data, containers, and descriptions of torch storages and tensors. */
import { type DType } from '../tensor/tensor.js';

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class PickleList {
  readonly items: PickleValue[] = [];
}

/** `dict` and `OrderedDict`; a tuple as key is one key by identity. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
}

/** An object of a harmless class: known by its name, never made. What a pickle puts into it is dropped. */
export class PickleOpaque {
  constructor(readonly name: string) {}
}

/** A global that the reader knows; calling it is done by the reader itself. */
export class PickleGlobal {
  constructor(readonly name: KnownGlobal) {}
}

/** A storage of a checkpoint, not yet read: record `data/KEY` holds `elements` values of `dtype`. */
export class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    readonly elements: number,
  ) {}
}

/** A strided view of a storage: offset and strides in elements. Not yet checked against the storage. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleGlobal
  | PickleOpaque
  | StorageRef
  | TensorRef;

const STORAGE_DTYPE: ReadonlyMap<string, DType> = new Map([
  ['torch.DoubleStorage', 'float64'],
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
]);

const CALLABLE = [
  'collections.OrderedDict',
  'torch.Size',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  // protocol 2 writes bytes as a call of one of these
  '_codecs.encode',
  '__builtin__.bytes',
] as const;

/** Types of numbers, which NumPy and torch name alike. */
const NUMBERS = ['float16', 'float32', 'float64', 'int8', 'int16', 'int32', 'int64', 'uint8'] as const;

/**
 * What training loops put beside a state dict: settings, paths, counters, random states. None of them is made or called
 * here; each becomes a `PickleOpaque` of that name and is left out.
 */
const HARMLESS: ReadonlySet<string> = new Set(
  [
    ['argparse', 'Namespace'],
    ['types', 'SimpleNamespace'],
    ['collections', 'Counter', 'defaultdict', 'deque'],
    ['datetime', 'date', 'datetime', 'time', 'timedelta', 'timezone'],
    ...['pathlib', 'pathlib._local'].map((module) => [
      module,
      ...['Path', 'PosixPath', 'PurePath', 'PurePosixPath', 'PureWindowsPath', 'WindowsPath'],
    ]),
    ...['__builtin__', 'builtins'].map((module) => [
      module,
      ...[
        'bool',
        'bytearray',
        'complex',
        'dict',
        'float',
        'frozenset',
        'int',
        'list',
        'object',
        'range',
        'set',
      ],
      ...['slice', 'str', 'tuple'],
    ]),
    ['copy_reg', '_reconstructor'],
    ['copyreg', '_reconstructor'],
    ['numpy', 'dtype', 'ndarray', 'bool_', ...NUMBERS],
    ...['numpy.core', 'numpy._core'].flatMap((module) => [
      [`${module}.multiarray`, '_reconstruct', 'scalar'],
      [`${module}.numeric`, '_frombuffer'],
    ]),
    ['torch', 'bfloat16', 'bool', 'device', ...NUMBERS],
    ['torch.torch_version', 'TorchVersion'],
  ].flatMap(([module, ...names]) => names.map((name) => `${module}.${name}`)),
);

type KnownGlobal = (typeof CALLABLE)[number] | { readonly storage: DType } | { readonly harmless: string };

/** The global of a dotted name, undefined for one that is neither a tensor, nor a container, nor harmless. */
export function knownGlobal(name: string): PickleGlobal | undefined {
  const callable = CALLABLE.find((known) => known === name);
  if (callable !== undefined) return new PickleGlobal(callable);
  const storage = STORAGE_DTYPE.get(name);
  if (storage !== undefined) return new PickleGlobal({ storage });
  return HARMLESS.has(name) ? new PickleGlobal({ harmless: name }) : undefined;
}

/** A value's type in Python's words, for messages. Never looks inside a container: pickles may hold themselves. */
export function typeName(value: PickleValue): string {
  if (value === null) return 'None';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof PickleTuple) return 'tuple';
  if (value instanceof PickleList) return 'list';
  if (value instanceof PickleDict) return 'dict';
  if (value instanceof PickleGlobal) return 'global';
  if (value instanceof PickleOpaque) return value.name;
  if (value instanceof StorageRef) return 'storage';
  if (value instanceof TensorRef) return 'tensor';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'str';
    case 'number':
    case 'bigint':
      return Number.isInteger(Number(value)) ? 'int' : 'float';
    default:
      return 'unknown';
  }
}
