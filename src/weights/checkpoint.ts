/** Tensors by name from a file of any supported format, recognised by its content. */
import { invalid } from '../errors.js';
import { type Tensor } from '../tensor/tensor.js';
import { openArchive } from './archive.js';
import { readWholeFile } from './file.js';
import { NPY_MAGIC, readNpz } from './npy.js';
import { readSafetensors } from './safetensors.js';
import { LENGTH_BYTES } from './safetensors-header.js';
import { isTorchArchive, readTorch } from './torch.js';

/** What `DistributedDataParallel` and `torch.compile` put in front of every key. */
const WRAPPER_PREFIXES = ['module.', '_orig_mod.'] as const;

const ZIP_MAGIC = Buffer.from('PK\x03\x04', 'latin1');
/** PROTO opcode, with which every pickle of protocol 2 and later begins. */
const PICKLE_PROTO = 0x80;
const OPEN_BRACE = 0x7b;

/**
 * The tensors of a file's bytes: safetensors, a `torch.save` zip archive, or .npz. Errors name `field`: an unknown or
 * unsupported format, and those of each reader.
 */
export async function decodeTensors(field: string, bytes: Uint8Array): Promise<Map<string, Tensor>> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const startsWith = (magic: Buffer): boolean => buffer.subarray(0, magic.length).equals(magic);
  if (startsWith(ZIP_MAGIC)) {
    const archive = await openArchive(field, bytes);
    return isTorchArchive(archive) ? readTorch(field, archive) : readNpz(field, archive);
  }
  if (buffer[LENGTH_BYTES] === OPEN_BRACE) return readSafetensors(field, bytes).tensors;
  if (startsWith(NPY_MAGIC)) {
    throw invalid(field, 'a single array without a name', {
      mend: 'Save it by name: numpy.savez(path, name=array).',
    });
  }
  if (buffer[0] === PICKLE_PROTO) {
    throw invalid(field, 'a bare pickle, such as torch.save wrote before PyTorch 1.6', {
      wanted: 'the zip format of torch.save',
      mend: 'Load it in a current PyTorch and save it again: torch.save(torch.load(path), path).',
    });
  }
  throw invalid(field, 'unknown file format', {
    found: `first bytes ${buffer.toString('hex', 0, 12)}`,
    wanted: 'safetensors, a torch.save checkpoint (.pt) or .npz',
  });
}

/** Strips a wrapper's prefix when every key has it, repeatedly. Errors: only some keys have it (one of each named). */
export function stripWrapperPrefix(field: string, tensors: Map<string, Tensor>): Map<string, Tensor> {
  let named = tensors;
  for (;;) {
    const keys = [...named.keys()];
    const prefix = WRAPPER_PREFIXES.find((candidate) => keys.some((key) => key.startsWith(candidate)));
    if (prefix === undefined) return named;
    const without = keys.find((key) => !key.startsWith(prefix));
    if (without !== undefined) {
      throw invalid(field, `only some keys begin with ${prefix}`, {
        found: `${keys.find((key) => key.startsWith(prefix))} and ${without}`,
        wanted: 'all of them or none',
      });
    }
    named = new Map([...named].map(([key, tensor]) => [key.slice(prefix.length), tensor]));
  }
}

/**
 * The state dict of a checkpoint file (.safetensors, .pt, .npz; known by content), without a `module.` or `_orig_mod.`
 * prefix. Errors name the file: missing (`not_found`), a directory, not readable, empty, damaged, hostile.
 */
export async function readCheckpoint(path: string): Promise<Map<string, Tensor>> {
  return stripWrapperPrefix(path, await readTensors(path));
}

/** The tensors of a data file, under the names that it gives them. Formats and errors as for `readCheckpoint`. */
export async function readTensors(path: string): Promise<Map<string, Tensor>> {
  return decodeTensors(path, await readWholeFile(path));
}
