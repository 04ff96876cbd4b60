/**
 * What the hidden states of the fitted rows look like, so that clients know others before they send them: of another layer,
 * before or after a norm, scaled, or bytes under a wrong label. Such states are confident energies with status OK otherwise.
 */
import { z } from 'zod';
import type { ModelCard } from '../../model/card.js';
import { BYTES_PER_ELEMENT, toFloat32 } from '../../tensor/tensor.js';
import { engineContext, type CalibrationData } from '../data/calibration-data.js';
import { quantile } from '../metrics/order.js';

const octave = z.number();
export const inputsSchema = z.strictObject({
  /** log2|x| over the numbers of visible tokens that are not 0, at their 5th, 50th and 95th percentile. */
  hidden_octaves: z
    .tuple([octave, octave, octave])
    .refine(([low, middle, high]) => low <= middle && middle <= high, 'percentiles do not ascend'),
});
export type Inputs = z.infer<typeof inputsSchema>;

const LEVELS = [0.05, 0.5, 0.95] as const;
/** Rows and tokens of each that are looked at: contexts are read again for it, and percentiles want no more. */
const ROWS = 32;
const TOKENS = 4;
/** Numbers below which percentiles say nothing; the client wants as many. */
const FEWEST = 256;

/** Of `rows` of the data. Undefined: too few numbers. Errors: a row that does not fit the model. */
export async function inputStatistics(
  data: CalibrationData,
  rows: Int32Array,
  card: ModelCard,
): Promise<Inputs | undefined> {
  const octaves: number[] = [];
  for (const row of evenly([...rows], ROWS)) {
    const { name, item } = await engineContext(data, row, card);
    const { dtype, bytes, visible } = item;
    const tokens = visible.flatMap(([start, end]) =>
      Array.from({ length: end - start }, (_, i) => start + i),
    );
    const rowBytes = card.state_dim * BYTES_PER_ELEMENT[dtype];
    for (const token of evenly(tokens, TOKENS)) {
      const own = bytes.slice(token * rowBytes, (token + 1) * rowBytes);
      for (const value of toFloat32(name, { dtype, shape: [card.state_dim], bytes: own })) {
        if (value !== 0 && Number.isFinite(value)) octaves.push(Math.log2(Math.abs(value)));
      }
    }
  }
  if (octaves.length < FEWEST) return undefined;
  const sorted = Float64Array.from(octaves).sort();
  const [low, middle, high] = LEVELS.map((level) => quantile(sorted, level));
  return { hidden_octaves: [low!, middle!, high!] };
}

/** At most `count` of them, the first and the last among these. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}
