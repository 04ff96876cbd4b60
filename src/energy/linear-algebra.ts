/** Products of float32 matrices in float64, for what is merged once at load. */

/** [rows, columns] to [columns, rows]. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = matrix[row * columns + column]!;
  }
  return out;
}

/**
 * x [rows, inputs] times weight [inputs, outputs], accumulated in float64; [rows, outputs]. Four terms a pass: most of
 * the time of a start.
 */
export function multiply(
  x: Float32Array,
  rows: number,
  { inputs, outputs, weight }: { inputs: number; outputs: number; weight: Float32Array },
): Float64Array {
  const out = new Float64Array(rows * outputs);
  const whole = inputs - (inputs % 4);
  for (let row = 0; row < rows; row++) {
    const target = row * outputs;
    const source = row * inputs;
    for (let k = 0; k < whole; k += 4) {
      const [a, b, c, d] = [x[source + k]!, x[source + k + 1]!, x[source + k + 2]!, x[source + k + 3]!];
      const [wa, wb, wc, wd] = [k * outputs, (k + 1) * outputs, (k + 2) * outputs, (k + 3) * outputs];
      for (let column = 0; column < outputs; column++) {
        out[target + column]! +=
          a * weight[wa + column]! +
          b * weight[wb + column]! +
          c * weight[wc + column]! +
          d * weight[wd + column]!;
      }
    }
    for (let k = whole; k < inputs; k++) {
      const factor = x[source + k]!;
      const base = k * outputs;
      for (let column = 0; column < outputs; column++)
        out[target + column]! += factor * weight[base + column]!;
    }
  }
  return out;
}
