/**
 * Checkpoints of `torch.save` (the zip format of PyTorch 1.6 and later): record `data.pkl` describes the tensors, record
 * `data/KEY` holds the elements of one storage, little-endian.
 * Format: https://docs.pytorch.org/docs/stable/notes/serialization.html. Read with `pickle.ts`; nothing is executed.
 */
import { invalid } from '../errors.js';
import { BYTES_PER_ELEMENT, type Tensor } from '../tensor/tensor.js';
import { type Archive } from './archive.js';
import { MAX_PICKLE_BYTES, readPickle } from './pickle.js';
import { type StorageRef } from './pickle-values.js';
import { selectStateDict, type StateDictOptions } from './state-dict.js';
import { tensorsOf, type StorageSource } from './torch-tensors.js';

const MAX_BYTEORDER_BYTES = 16;

const PICKLE_RECORD = '/data.pkl';

/** True for an archive of `torch.save` (or TorchScript), false for one of arrays. */
export function isTorchArchive(archive: Archive): boolean {
  return archive.names.some((name) => name.endsWith(PICKLE_RECORD));
}

/** Folder of the records inside the archive, from the one member `FOLDER/data.pkl`. */
function recordFolder(field: string, archive: Archive): string {
  const pickles = archive.names.filter((name) => name.endsWith(PICKLE_RECORD));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    throw invalid(field, 'not a torch.save checkpoint', {
      found: pickles.length > 1 ? pickles.slice(0, 5).join(', ') : archive.names.slice(0, 5).join(', '),
      wanted: 'a zip archive with one data.pkl',
    });
  }
  const folder = pickle.slice(0, 1 - PICKLE_RECORD.length);
  if (archive.sizeOf(`${folder}constants.pkl`) !== undefined) {
    throw invalid(field, 'a TorchScript archive, not a state dict', {
      mend: 'Save tensors alone: torch.save(torch.jit.load(path).state_dict(), path).',
    });
  }
  return folder;
}

async function readSmall(
  field: string,
  archive: Archive,
  name: string,
  maxBytes: number,
): Promise<Uint8Array> {
  const size = archive.sizeOf(name) ?? 0;
  if (size > maxBytes) {
    throw invalid(`${field}: ${name}`, 'record too large', {
      found: `${size} bytes`,
      wanted: `at most ${maxBytes} bytes`,
    });
  }
  return archive.read(name);
}

async function checkByteOrder(field: string, archive: Archive, folder: string): Promise<void> {
  const name = `${folder}byteorder`;
  // files of PyTorch before 2.0 do not say it and are little-endian in practice
  if (archive.sizeOf(name) === undefined) return;
  const order = Buffer.from(await readSmall(field, archive, name, MAX_BYTEORDER_BYTES)).toString('latin1');
  if (order !== 'little') {
    throw invalid(`${field}: ${name}`, 'unsupported byte order', {
      found: JSON.stringify(order),
      wanted: 'little',
      mend: 'Save it again on a little-endian machine.',
    });
  }
}

/** Reads each storage once, however many tensors share it. */
class Storages implements StorageSource {
  readonly #cache = new Map<string, Uint8Array>();

  constructor(
    readonly field: string,
    readonly archive: Archive,
    readonly folder: string,
  ) {}

  get sizeBytes(): number {
    return this.archive.sizeBytes;
  }

  async read({ key, dtype, elements }: StorageRef): Promise<Uint8Array> {
    const name = `${this.folder}data/${key}`;
    const size = this.archive.sizeOf(name);
    const wanted = elements * BYTES_PER_ELEMENT[dtype];
    if (size !== wanted) {
      throw invalid(
        `${this.field}: ${name}`,
        size === undefined ? 'storage is missing' : 'storage has a wrong size',
        {
          ...(size === undefined ? {} : { found: `${size} bytes` }),
          wanted: `${wanted} bytes for ${elements} values of ${dtype}`,
        },
      );
    }
    const bytes = this.#cache.get(name) ?? (await this.archive.read(name));
    this.#cache.set(name, bytes);
    return bytes;
  }
}

/**
 * The tensors of a `torch.save` checkpoint by name: the saved dict itself, or the state dict in it (see
 * `selectStateDict`). Errors name `field` and the record or tensor.
 */
export async function readTorch(
  field: string,
  archive: Archive,
  options: StateDictOptions = {},
): Promise<Map<string, Tensor>> {
  const folder = recordFolder(field, archive);
  await checkByteOrder(field, archive, folder);
  const pickle = await readSmall(field, archive, `${folder}data.pkl`, MAX_PICKLE_BYTES);
  const { value } = readPickle(`${field}: data.pkl`, pickle);
  return tensorsOf(field, selectStateDict(field, value, options), new Storages(field, archive, folder));
}
