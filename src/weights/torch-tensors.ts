/** From descriptions of tensors in a pickle to tensors: each is checked against its storage before that is read. */
import { invalid } from '../errors.js';
import { BYTES_PER_ELEMENT, byteLength, elementCount, formatShape, type Tensor } from '../tensor/tensor.js';
import type { StorageRef, TensorRef } from './pickle-values.js';
import { checkShape } from './shape.js';
import { gather, isContiguous, storageElements, type StridedView } from './strided.js';

/**
 * Copies of non-contiguous tensors, all together, as a multiple of the file's size: many of them may share one storage,
 * and a small file must not ask for much memory.
 */
const MAX_COPY_FACTOR = 16;

export interface StorageSource {
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** The bytes of a storage, exactly its elements. Errors: missing, or of another size. */
  read(storage: StorageRef): Promise<Uint8Array>;
}

/**
 * Contiguous tensors are views of their storage; others are copied into row-major order. Errors name `field` and the
 * tensor: one that reaches beyond its storage, has more elements than it, or asks for more memory than the file is worth.
 */
export async function tensorsOf(
  field: string,
  refs: ReadonlyMap<string, TensorRef>,
  storages: StorageSource,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  let copiedBytes = 0;
  for (const [name, ref] of refs) {
    const view = viewOf(`${field}: ${name}`, ref);
    const { dtype, shape, offset } = view;
    const lengthBytes = byteLength(dtype, shape);
    const contiguous = isContiguous(view);
    if (!contiguous) copiedBytes += lengthBytes;
    if (copiedBytes > MAX_COPY_FACTOR * storages.sizeBytes) {
      throw invalid(field, 'too many non-contiguous tensors share their storages', {
        found: `${copiedBytes} bytes once copied`,
        wanted: `at most ${MAX_COPY_FACTOR} times the file's size`,
        mend: 'Save them again after .contiguous().',
      });
    }
    const storage = await storages.read(ref.storage);
    const start = lengthBytes === 0 ? 0 : offset * BYTES_PER_ELEMENT[dtype];
    const data = contiguous ? storage.subarray(start, start + lengthBytes) : gather(view, storage);
    tensors.set(name, { dtype, shape, bytes: data });
  }
  return tensors;
}

/** Checks a tensor against its storage, before the storage is read. */
function viewOf(field: string, { storage, offset, shape, strides }: TensorRef): StridedView {
  const { dtype, elements } = storage;
  const view = { dtype, offset, shape: checkShape(`${field}.shape`, dtype, shape), strides };
  const needed = storageElements(view);
  if (needed > elements) {
    throw invalid(field, 'tensor reaches beyond its storage', {
      found: `shape ${formatShape(shape)}, strides ${formatShape(strides)}, offset ${offset}`,
      wanted: `at most ${elements} elements`,
    });
  }
  if (elementCount(shape) > elements) {
    throw invalid(field, 'expanded tensor: more elements than its storage holds', {
      found: `${elementCount(shape)} elements of ${elements}`,
      mend: 'Save it again after .clone().',
    });
  }
  return view;
}
