import assert from 'node:assert/strict';

/** Every element within `tolerance` of the wanted one; NaN never passes. */
export function assertClose(
  found: ArrayLike<number>,
  wanted: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(found.length, wanted.length, `${what}: length`);
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs(found[i]! - wanted[i]!);
    assert.ok(
      difference <= tolerance,
      `${what}[${i}]: ${found[i]} against ${wanted[i]}, allowed ${tolerance}`,
    );
  }
}
