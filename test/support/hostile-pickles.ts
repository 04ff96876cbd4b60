/** Checkpoints of PyTorch whose pickle runs something, never ends, or describes tensors that are not there. */
import * as pkl from './checkpoints-pickle.js';
import { float32Bytes, storageOp, tensorOp, torchArchive } from './checkpoints.js';
import type { HostileFile } from './hostile-file.js';

const four = { key: '0', elements: 4, shape: [2, 2], strides: [2, 1] };
const fourBytes = float32Bytes(1, 2, 3, 4);

/** A torch.save archive whose pickle is these opcodes. */
function torch(...ops: pkl.Op[]): Uint8Array {
  return torchArchive(pkl.pickle(...ops), { '0': fourBytes });
}

function many(count: number, op: pkl.Op): pkl.Op {
  return Buffer.alloc(count * op.length, op);
}

const pickles: HostileFile[] = [
  {
    name: 'posix.system reduce',
    bytes: torch(pkl.call(pkl.global('posix', 'system'), pkl.text('exit 1'))),
    says: /posix\.system/,
  },
  {
    name: 'a global beside healthy tensors, never called',
    bytes: torch(pkl.dict({ weight: tensorOp(four), extra: pkl.global('os', 'system') })),
    says: /os\.system/,
  },
  {
    name: 'builtins.eval by STACK_GLOBAL',
    bytes: torch(pkl.text('builtins'), pkl.text('eval'), pkl.STACK_GLOBAL),
    says: /builtins\.eval/,
  },
  { name: 'INST of os.system', bytes: torch(pkl.MARK, pkl.inst('os', 'system')), says: /os\.system/ },
  { name: 'INST of a known global', bytes: torch(pkl.MARK, pkl.inst('torch', 'Size')), says: /INST/ },
  {
    name: 'torch.load by name',
    bytes: torch(pkl.call(pkl.global('torch.serialization', 'load'), pkl.text('other.pt'))),
    says: /torch\.serialization\.load/,
  },
  {
    name: 'complex storage',
    bytes: torch(pkl.dict({ weight: tensorOp({ ...four, storage: 'ComplexFloatStorage' }) })),
    says: /torch\.ComplexFloatStorage/,
  },
  {
    name: 'call of a string',
    bytes: torch(pkl.call(pkl.text('system'), pkl.text('exit 1'))),
    says: /cannot be called; found str/,
  },
  {
    name: 'call of a storage class',
    bytes: torch(pkl.call(pkl.global('torch', 'FloatStorage'))),
    says: /cannot be called/,
  },
  {
    name: 'NEWOBJ of no class',
    bytes: torch(pkl.EMPTY_TUPLE, pkl.EMPTY_TUPLE, pkl.raw(0x81)),
    says: /makes an object .*; found tuple/,
  },
  {
    name: 'NEWOBJ of a tensor',
    bytes: torch(pkl.global('torch', 'Size'), pkl.EMPTY_TUPLE, pkl.raw(0x81)),
    says: /makes an object .*; found global/,
  },
  {
    name: 'a call of builtins.eval',
    bytes: torch(pkl.call(pkl.global('builtins', 'eval'), pkl.text('1'))),
    says: /builtins\.eval/,
  },
  {
    name: 'a call of what a harmless class made',
    bytes: torch(pkl.call(pkl.call(pkl.global('argparse', 'Namespace')), pkl.text('1'))),
    says: /calls what cannot be called; found argparse\.Namespace/,
  },
  {
    name: 'BUILD on a list',
    bytes: torch(pkl.EMPTY_LIST, pkl.EMPTY_DICT, pkl.BUILD),
    says: /state of an object/,
  },
  { name: 'stack underflow', bytes: torch(pkl.POP), says: /empty stack/ },
  { name: 'pop below a mark', bytes: torch(pkl.NONE, pkl.NONE, pkl.MARK, pkl.POP), says: /empty stack/ },
  { name: 'SETITEMS without a mark', bytes: torch(pkl.EMPTY_DICT, pkl.raw(0x75)), says: /MARK/ },
  {
    name: 'odd SETITEMS',
    bytes: torch(pkl.EMPTY_DICT, pkl.MARK, pkl.NONE, pkl.raw(0x75)),
    says: /without a value/,
  },
  {
    name: 'append to a tuple',
    bytes: torch(pkl.EMPTY_TUPLE, pkl.NONE, pkl.APPEND),
    says: /not a list.*found tuple/,
  },
  { name: 'memo never stored', bytes: torch(pkl.get(0xffffffff)), says: /memo 4294967295/ },
  { name: 'string of 4 GiB', bytes: torch(pkl.textOfLength(0xffffffff)), says: /4294967295 bytes/ },
  {
    name: 'string of 2^64 bytes',
    bytes: torch(pkl.textOfLength8(0xffffffff, 0xffffffff)),
    says: /ends within an argument/,
  },
  { name: 'integer of 2 GiB', bytes: torch(pkl.longOfLength(0x7fffffff)), says: /integer too long/ },
  { name: 'protocol 0', bytes: torchArchive(Buffer.from('(dp0\n.')), says: /protocol/ },
  {
    name: 'protocol 9',
    bytes: torchArchive(Buffer.concat([pkl.protocol(9), pkl.STOP])),
    says: /protocol.*found 9/,
  },
  {
    name: 'no STOP',
    bytes: torchArchive(Buffer.concat([pkl.protocol(2), pkl.EMPTY_DICT])),
    says: /ends within/,
  },
  { name: 'empty pickle', bytes: torchArchive(new Uint8Array()), says: /ends within/ },
  {
    name: 'a list that holds itself',
    bytes: torch(pkl.EMPTY_LIST, pkl.DUP, pkl.APPEND),
    says: /not a dict of tensors; found list/,
  },
  {
    name: 'a dict that is its own state dict',
    bytes: torch(pkl.EMPTY_DICT, pkl.put(0), pkl.text('state_dict'), pkl.get(0), pkl.SETITEM),
    says: /no state dict/,
  },
  {
    name: 'tuples nested 300,000 deep',
    bytes: torch(pkl.NONE, many(300_000, pkl.TUPLE1)),
    says: /found tuple/,
  },
  { name: '2,000,000 operations', bytes: torch(many(2_000_000, pkl.EMPTY_DICT)), says: /pickle too long/ },
  { name: '400,000 open marks', bytes: torch(many(400_000, pkl.MARK), pkl.NONE), says: /found None/ },
  {
    name: 'a pickle of 33 MiB',
    bytes: torchArchive(new Uint8Array(33 * 1024 ** 2), {}, [], true),
    says: /record too large/,
  },
];

function lyingTensor(
  name: string,
  spec: Partial<typeof four> & { offset?: number },
  says: RegExp,
): HostileFile {
  return { name, bytes: torch(pkl.dict({ weight: tensorOp({ ...four, ...spec }) })), says };
}

const tensors: HostileFile[] = [
  lyingTensor('shape beyond the storage', { shape: [3, 2] }, /weight: tensor reaches beyond its storage/),
  lyingTensor('offset beyond the storage', { offset: 1 }, /weight: tensor reaches beyond its storage/),
  lyingTensor('stride beyond the storage', { strides: [3, 1] }, /weight: tensor reaches beyond its storage/),
  lyingTensor('negative offset', { offset: -1 }, /unexpected arguments/),
  lyingTensor('negative stride', { strides: [-2, 1] }, /unexpected arguments/),
  lyingTensor('shape of 2^61 bytes', { shape: [2 ** 30, 2 ** 29], strides: [0, 0] }, /shape too large/),
  lyingTensor('4 GiB out of one element', { shape: [2 ** 30], strides: [0] }, /expanded tensor/),
  lyingTensor('strides of another rank', { strides: [1] }, /unexpected arguments/),
  lyingTensor(
    '200 axes',
    { shape: Array<number>(200).fill(1), strides: Array<number>(200).fill(1) },
    /unexpected/,
  ),
  lyingTensor(
    'more elements than the record',
    { elements: 5 },
    /data\/0: storage has a wrong size.*16 bytes/,
  ),
  lyingTensor('fewer elements than the record', { elements: 3, shape: [1], strides: [1] }, /wrong size/),
  lyingTensor('no such record', { key: '7' }, /data\/7: storage is missing/),
  lyingTensor('record outside the data folder', { key: '../data.pkl' }, /storage is missing/),
  {
    name: 'many transposes of one storage',
    bytes: torchArchive(
      pkl.pickle(
        pkl.dict(
          Object.fromEntries(
            Array.from({ length: 64 }, (_, i) => [
              `w${i}`,
              tensorOp({ key: '0', elements: 65_536, shape: [256, 256], strides: [1, 256] }),
            ]),
          ),
        ),
      ),
      { '0': new Uint8Array(4 * 65_536) },
    ),
    says: /too many non-contiguous tensors/,
  },
  {
    name: 'storage id of another shape',
    bytes: torch(pkl.tuple(pkl.text('storage'), pkl.text('cpu')), pkl.PERSISTENT_ID),
    says: /persistent id/,
  },
  {
    name: 'storage as the whole value',
    bytes: torch(storageOp(four)),
    says: /not a dict of tensors; found storage/,
  },
  {
    name: 'big-endian',
    bytes: torchArchive(pkl.pickle(pkl.dict({ weight: tensorOp(four) })), { '0': fourBytes }, [
      { name: 'model/byteorder', data: Buffer.from('big') },
    ]),
    says: /byte order; found "big"/,
  },
  {
    name: 'TorchScript',
    bytes: torchArchive(pkl.pickle(pkl.EMPTY_DICT), {}, [
      { name: 'model/constants.pkl', data: new Uint8Array(1) },
    ]),
    says: /TorchScript/,
  },
];

export const hostilePickles: readonly HostileFile[] = [...pickles, ...tensors];
