/** Archives that lie about their members, old checkpoints about their storages, and files that are neither. */
import * as pkl from './checkpoints-pickle.js';
import { float32Bytes, npyFile, oldCheckpoint, smallCheckpoint, torchArchive } from './checkpoints.js';
import { zipArchive } from './checkpoints-zip.js';
import type { HostileFile } from './hostile-file.js';

const GIB = 1024 ** 3;
const fourBytes = float32Bytes(1, 2, 3, 4);

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

export const hostileArchives: readonly HostileFile[] = [...archives, ...others];
