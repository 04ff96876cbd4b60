/** safetensors and NumPy files whose headers lie. */
import { float32Bytes, npyFile, safetensorsFile } from './checkpoints.js';
import { zipArchive } from './checkpoints-zip.js';
import type { HostileFile } from './hostile-file.js';

const fourBytes = float32Bytes(1, 2, 3, 4);

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

export const hostileArrays: readonly HostileFile[] = [...safetensorsFiles, ...arrays];
