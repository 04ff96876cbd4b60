/** Tensors by name from a file of any supported format, recognised by its content. */
import { invalid } from '../errors.js';
import { type Tensor } from '../tensor/tensor.js';
import { openArchive } from './archive.js';
import { readWholeFile } from './file.js';
import { NPY_MAGIC, readNpz } from './npy.js';
import { readSafetensors } from './safetensors.js';
import { LENGTH_BYTES } from './safetensors-header.js';
import type { StateDictOptions } from './state-dict.js';
import { isTorchArchive, readTorch } from './torch.js';
import { readTorchLegacy } from './torch-legacy.js';

/** What `DistributedDataParallel` and `torch.compile` put in front of every key. */
const WRAPPER_PREFIXES = ['module.', '_orig_mod.'] as const;

const ZIP_MAGIC = Buffer.from('PK\x03\x04', 'latin1');
/** PROTO opcode, with which every pickle of protocol 2 and later begins. */
const PICKLE_PROTO = 0x80;
const OPEN_BRACE = 0x7b;

/**
 * The tensors of a file's bytes: safetensors, a `torch.save` checkpoint (zip or older), or .npz. Errors name `field`: an unknown or
 * unsupported format, and those of each reader.
 */
export async function decodeTensors(
  field: string,
  bytes: Uint8Array,
  options: StateDictOptions = {},
): Promise<Map<string, Tensor>> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const startsWith = (magic: Buffer): boolean => buffer.subarray(0, magic.length).equals(magic);
  if (startsWith(ZIP_MAGIC)) {
    const archive = await openArchive(field, bytes);
    return isTorchArchive(archive) ? readTorch(field, archive, options) : readNpz(field, archive);
  }
  if (buffer[LENGTH_BYTES] === OPEN_BRACE) return readSafetensors(field, bytes).tensors;
  if (startsWith(NPY_MAGIC)) {
    throw invalid(field, 'a single array without a name', {
      mend: 'Save it by name: numpy.savez(path, name=array).',
    });
  }
  if (buffer[0] === PICKLE_PROTO) return readTorchLegacy(field, bytes, options);
  throw invalid(field, 'unknown file format', {
    found: `first bytes ${buffer.toString('hex', 0, 12)}`,
    wanted: 'safetensors, a torch.save checkpoint (.pt) or .npz',
  });
}

/** Strips wrappers' prefixes from each key that has them. Errors: two keys become one (both named). */
export function stripWrapperPrefix(field: string, tensors: Map<string, Tensor>): Map<string, Tensor> {
  const named = new Map<string, Tensor>();
  for (const [key, tensor] of tensors) {
    const name = withoutWrappers(key);
    if (named.has(name)) {
      throw invalid(field, 'two keys are one without the prefix of a wrapper', {
        found: [...tensors.keys()].filter((other) => withoutWrappers(other) === name).join(' and '),
        wanted: 'one of each',
        mend: 'Take one of the copies: --prefix.',
      });
    }
    named.set(name, tensor);
  }
  return named;
}

function withoutWrappers(key: string): string {
  const prefix = WRAPPER_PREFIXES.find((candidate) => key.startsWith(candidate));
  return prefix === undefined ? key : withoutWrappers(key.slice(prefix.length));
}

/**
 * The state dict of a checkpoint file (.safetensors, .pt, .npz; known by content), without a `module.` or `_orig_mod.`
 * prefix. Errors name the file: missing (`not_found`), a directory, not readable, empty, damaged, hostile.
 */
export async function readCheckpoint(
  path: string,
  options: StateDictOptions = {},
): Promise<Map<string, Tensor>> {
  return stripWrapperPrefix(path, await readTensors(path, options));
}

/** The tensors of a data file, under the names that it gives them. Formats and errors as for `readCheckpoint`. */
export async function readTensors(
  path: string,
  options: StateDictOptions = {},
): Promise<Map<string, Tensor>> {
  return decodeTensors(path, await readWholeFile(path), options);
}
