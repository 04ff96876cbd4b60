/** A corpus of files that lie: each must be refused with a fault, in little memory, and nothing in it may run. */
import * as pkl from './checkpoints-pickle.js';
import {
  float32Bytes,
  npyFile,
  oldCheckpoint,
  safetensorsFile,
  smallCheckpoint,
  storageOp,
  tensorOp,
  torchArchive,
} from './checkpoints.js';
import { zipArchive } from './checkpoints-zip.js';

export interface HostileFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the message must say. */
  readonly says: RegExp;
}

const GIB = 1024 ** 3;
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

const archives: HostileFile[] = [
  { name: 'zip of nothing known', bytes: zipArchive([{ name: 'a.txt', data: fourBytes }]), says: /a\.txt/ },
  {
    name: 'two members of one name',
    bytes: torchArchive(pkl.pickle(), { '0': fourBytes }, [{ name: 'model/data/0', data: fourBytes }]),
    says: /two zip members/,
  },
  {
    name: 'two pickles',
    bytes: torchArchive(pkl.pickle(), {}, [{ name: 'other/data.pkl', data: fourBytes }]),
    says: /other\/data\.pkl/,
  },
  {
    name: 'path out of the archive',
    bytes: zipArchive([{ name: '../data.pkl', data: fourBytes }]),
    says: /invalid relative path/,
  },
  {
    name: 'encrypted member',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes, deflate: true, declared: { flags: 1 } }]),
    says: /encrypted/,
  },
  {
    name: 'unknown compression',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes, declared: { method: 12 } }]),
    says: /method 12/,
  },
  {
    name: 'member beyond the file',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes, declared: { compressedSize: GIB, size: GIB } }]),
    says: /overflows file bounds/,
  },
  {
    name: 'local header beyond the file',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes, declared: { offset: 0xfffffff0 } }]),
    says: /not a readable zip/,
  },
  {
    name: 'stored sizes differ',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes, declared: { size: 17 } }]),
    says: /size mismatch/,
  },
  {
    name: 'more members than the directory',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes }], 65_534),
    says: /not a readable zip/,
  },
  {
    name: 'bomb with an impossible ratio',
    bytes: zipArchive([{ name: 'a.npy', data: new Uint8Array(99), deflate: true, declared: { size: GIB } }]),
    says: /declared size is impossible/,
  },
  {
    name: 'bomb that says less than it holds',
    bytes: zipArchive([
      { name: 'a.npy', data: new Uint8Array(64 * 1024 ** 2), deflate: true, declared: { size: 1000 } },
    ]),
    says: /broken deflate data/,
  },
  {
    name: 'three members of 1 GiB',
    bytes: zipArchive(
      ['a', 'b', 'c'].map((name) => ({
        name: `${name}.npy`,
        data: new Uint8Array(2 ** 20),
        declared: { method: 8, size: GIB },
      })),
    ),
    says: /too large once decompressed/,
  },
  {
    name: 'deflate data that end early',
    bytes: zipArchive([{ name: 'a.npy', data: fourBytes, deflate: true, declared: { size: 100 } }]),
    says: /end early/,
  },
  {
    name: 'deflate data of another kind',
    bytes: zipArchive([{ name: 'a.npy', data: new Uint8Array(64).fill(0xff), declared: { method: 8 } }]),
    says: /broken deflate/,
  },
];

const entry = (dtype: string, shape: string, begin: number | string, end: number | string): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

function safetensors(
  name: string,
  json: string | Uint8Array,
  says: RegExp,
  declaredLength?: bigint,
): HostileFile {
  return { name: `safetensors: ${name}`, bytes: safetensorsFile(json, fourBytes, declaredLength), says };
}

const safetensorsFiles: HostileFile[] = [
  safetensors('header of 2^64 bytes', '{}', /header length out of range/, 0xffffffffffffffffn),
  safetensors('header past the end', '{}', /header length out of range/, 100n),
  safetensors('not JSON', '{oops', /not valid JSON/),
  safetensors('not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /not valid UTF-8/),
  safetensors('nested arrays', `{"a":${'['.repeat(100_000)}`, /nested too deeply/),
  safetensors(
    '300,000 keys',
    JSON.stringify(Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`k${i}`, 1]))),
    /too many JSON keys/,
  ),
  safetensors(
    'a key twice',
    `{"a":${entry('F32', '[4]', 0, 16)},"\\u0061":${entry('I32', '[4]', 0, 16)}}`,
    /twice; found "a"/,
  ),
  safetensors(
    'a field twice',
    '{"a":{"dtype":"F32","dtype":"I32","shape":[4],"data_offsets":[0,16]}}',
    /twice/,
  ),
  safetensors('unknown dtype', `{"a":${entry('F8_E4M3', '[16]', 0, 16)}}`, /a\.dtype: .*F8_E4M3/),
  safetensors(
    'unknown field',
    '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1}}',
    /unknown key; found x/,
  ),
  safetensors('missing shape', '{"a":{"dtype":"F32","data_offsets":[0,16]}}', /a\.shape/),
  safetensors('negative size', `{"a":${entry('F32', '[-4]', 0, 16)}}`, /not a size; found -4/),
  safetensors('fractional size', `{"a":${entry('F32', '[4.5]', 0, 16)}}`, /not a size; found 4\.5/),
  safetensors(
    'overflowing shape',
    `{"a":${entry('F32', '[4294967296,4294967296]', 0, 16)}}`,
    /shape too large/,
  ),
  safetensors(
    'overflow behind an empty axis',
    `{"a":${entry('F32', '[0,4294967296,4294967296]', 0, 0)}}`,
    /shape too large/,
  ),
  safetensors(
    'offsets that do not fit the shape',
    `{"a":${entry('F32', '[4]', 0, 12)}}`,
    /found 12 bytes; wanted 16/,
  ),
  safetensors('offsets beyond the data', `{"a":${entry('F32', '[8]', 0, 32)}}`, /do not fill.*truncated/),
  safetensors('offsets reversed', `{"a":${entry('F32', '[4]', 16, 0)}}`, /not a byte range/),
  safetensors('offsets beyond 2^53', `{"a":${entry('U8', '[0]', '1e300', '1e300')}}`, /not a byte range/),
  safetensors('a hole', `{"a":${entry('F32', '[3]', 4, 16)}}`, /hole/),
  safetensors(
    'an overlap',
    `{"a":${entry('F32', '[3]', 0, 12)},"b":${entry('F32', '[2]', 8, 16)}}`,
    /b: overlaps/,
  ),
  safetensors('bytes of no tensor', `{"a":${entry('F32', '[3]', 0, 12)}}`, /belong to no tensor/),
  safetensors(
    'metadata of numbers',
    `{"__metadata__":{"n":1},"a":${entry('F32', '[4]', 0, 16)}}`,
    /n: number/,
  ),
  safetensors('a long name', `{"${'a'.repeat(5000)}":${entry('F32', '[4]', 0, 16)}}`, /name too long/),
  safetensors('an array', `[]`.padStart(9), /./),
];

function npz(name: string, header: string, says: RegExp, version: 1 | 2 | 3 = 1): HostileFile {
  return {
    name: `npy: ${name}`,
    bytes: zipArchive([{ name: 'a.npy', data: npyFile(header, fourBytes, version) }]),
    says,
  };
}

const arrays: HostileFile[] = [
  npz('big-endian', "{'descr': '>f4', 'fortran_order': False, 'shape': (4,)}", />f4.*little-endian/),
  npz(
    'object array',
    "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    /object array holds a pickle/,
  ),
  npz(
    'code in the header',
    "{'descr': __import__('os'), 'fortran_order': False, 'shape': (4,)}",
    /not the header/,
  ),
  npz('key missing', "{'descr': '<f4', 'shape': (4,)}", /wanted descr, fortran_order and shape/),
  npz('key twice', "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", /each once/),
  npz('shape is a number', "{'descr': '<f4', 'fortran_order': False, 'shape': (4)}", /not the header/),
  npz('negative size', "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}", /not the header/),
  npz(
    'huge shape',
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
    /shape too large/,
  ),
  npz(
    'size beyond 2^53',
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999,)}",
    /not a size/,
  ),
  npz(
    'more data than the shape',
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
    /16 bytes; wanted 12/,
  ),
  npz('text after the literal', "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} 1", /nothing more/),
  npz('header too long', ' '.repeat(70_000), /header length/, 2),
  {
    name: 'npy: header past the end',
    bytes: zipArchive([{ name: 'a.npy', data: npyFile('', new Uint8Array(), 1).fill(0xff, 8) }]),
    says: /header length/,
  },
];

const others: HostileFile[] = [
  {
    name: 'old torch: another version',
    bytes: oldCheckpoint({ version: 1002 }),
    says: /version.*found 1002; wanted 1001/,
  },
  {
    name: 'old torch: a storage missing',
    bytes: oldCheckpoint({ keys: [] }),
    says: /storage 0: storage is missing/,
  },
  {
    name: 'old torch: a storage of no tensor',
    bytes: oldCheckpoint({ keys: ['0', 'x'] }),
    says: /storage x: belongs to no tensor/,
  },
  {
    name: 'old torch: a storage as large as the world',
    bytes: oldCheckpoint({ count: 1n << 61n }),
    says: /ends within a storage/,
  },
  {
    name: 'old torch: a negative storage',
    bytes: oldCheckpoint({ count: -1n }),
    says: /ends within a storage/,
  },
  {
    name: 'old torch: a shorter storage',
    bytes: oldCheckpoint({ count: 5n }),
    says: /storage has a wrong size/,
  },
  { name: 'old torch: big-endian', bytes: oldCheckpoint({ little: false }), says: /byte order/ },
  {
    name: 'bare pickle',
    bytes: pkl.pickle(pkl.EMPTY_DICT),
    says: /bare pickle, not a checkpoint of torch\.save/,
  },
  {
    name: 'bare array',
    bytes: npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", fourBytes),
    says: /numpy\.savez/,
  },
  { name: 'text', bytes: Buffer.from('weights: [1, 2, 3]\n'), says: /unknown file format/ },
  { name: 'one byte', bytes: new Uint8Array(1), says: /unknown file format/ },
  { name: 'half a checkpoint', bytes: smallCheckpoint().subarray(0, 400), says: /truncated/ },
];

export function hostileFiles(): readonly HostileFile[] {
  return [...pickles, ...tensors, ...archives, ...safetensorsFiles, ...arrays, ...others];
}
