/** Row-major bytes of a strided view of a storage, as PyTorch stores tensors. */
import { BYTES_PER_ELEMENT, elementCount, type DType } from '../tensor/tensor.js';

export interface StridedView {
  readonly dtype: DType;
  /** In elements, as are the strides. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** True when the elements lie row-major without gaps; an axis of one element may have any stride. */
export function isContiguous({ shape, strides }: StridedView): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Elements that the storage must have at least: one past the last one addressed; 0 for an empty view. */
export function storageElements({ offset, shape, strides }: StridedView): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, offset) + 1;
}

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** Elements as unsigned words, so that copying keeps every bit; copied first when misaligned. */
function wordsOf(bytes: Uint8Array, elementBytes: 1 | 2 | 4 | 8): Words {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % elementBytes === 0 ? bytes : bytes.slice();
  const length = byteLength / elementBytes;
  switch (elementBytes) {
    case 1:
      return new Uint8Array(buffer, byteOffset, length);
    case 2:
      return new Uint16Array(buffer, byteOffset, length);
    case 4:
      return new Uint32Array(buffer, byteOffset, length);
    case 8:
      return new BigUint64Array(buffer, byteOffset, length);
  }
}

/**
 * The view's elements, row-major, in memory of their own. `storage` holds at least `storageElements(view)` elements
 * (checked by the caller).
 */
export function gather(view: StridedView, storage: Uint8Array): Uint8Array {
  const { dtype, offset, shape, strides } = view;
  const elementBytes = BYTES_PER_ELEMENT[dtype];
  const count = elementCount(shape);
  const out = new Uint8Array(count * elementBytes);
  const source = wordsOf(storage, elementBytes);
  const target = wordsOf(out, elementBytes);
  const columns = shape.at(-1) ?? 1;
  const columnStride = strides.at(-1) ?? 0;
  const index = new Array<number>(shape.length).fill(0);
  let row = offset;
  for (let to = 0; to < count;) {
    for (let column = 0; column < columns; column++) target[to++] = source[row + column * columnStride]!;
    // odometer over the other axes: the last of them turns fastest
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      row += strides[axis]!;
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      row -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
