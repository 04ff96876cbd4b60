/** Names and shapes from untrusted files, checked before anything is allocated or reported by them. */
import { invalid } from '../errors.js';
import { BYTES_PER_ELEMENT, type DType } from '../tensor/tensor.js';

/** More axes than any tensor framework allows. */
export const MAX_RANK = 64;
/** A longer name is no name, and would fill every message about its tensor. */
const MAX_NAME_LENGTH = 1024;

/** Errors name `field`: a tensor's name longer than `MAX_NAME_LENGTH`. */
export function checkName(field: string, name: string): void {
  if (name.length > MAX_NAME_LENGTH) {
    throw invalid(field, 'tensor name too long', {
      found: `${name.length} characters: ${name.slice(0, 60)}`,
      wanted: `at most ${MAX_NAME_LENGTH}`,
    });
  }
}

/**
 * `shape` as sizes. Errors name `field`: not a list of non-negative integers, more than `MAX_RANK` axes, or a byte
 * length that a number cannot hold exactly.
 */
export function checkShape(field: string, dtype: DType, shape: unknown): readonly number[] {
  if (!Array.isArray(shape) || shape.length > MAX_RANK) {
    throw invalid(field, 'not a shape', {
      found: Array.isArray(shape) ? `${shape.length} axes` : typeof shape,
      wanted: `a list of at most ${MAX_RANK} sizes`,
    });
  }
  let lengthBytes: number = BYTES_PER_ELEMENT[dtype];
  const sizes = shape.map((size: unknown, axis) => {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw invalid(`${field}[${axis}]`, 'not a size', {
        found: typeof size === 'number' || typeof size === 'bigint' ? String(size) : typeof size,
        wanted: 'an integer of at least 0',
      });
    }
    // an empty axis would hide an overflow of the others, and rows of it must have a size too
    lengthBytes *= Math.max(size, 1);
    if (!Number.isSafeInteger(lengthBytes)) {
      throw invalid(field, 'shape too large', { wanted: 'fewer than 2^53 bytes' });
    }
    return size;
  });
  return sizes;
}
