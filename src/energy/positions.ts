/** Interleaved sine and cosine positions (Vaswani et al. 2017, section 3.5): base 10000, not part of a state dict. */

/** P [steps, width]: `P[t,2i] = sin(t / 10000^(2i/width))`, `P[t,2i+1] = cos(same)`. */
export function positionalEncoding(steps: number, width: number): Float32Array {
  const out = new Float32Array(steps * width);
  for (let t = 0; t < steps; t++) {
    for (let i = 0; i < width; i++) {
      const angle = t / 10000 ** ((i - (i % 2)) / width);
      out[t * width + i] = i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return out;
}
