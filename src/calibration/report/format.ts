/** Figures as text, the same in the page and in the terminal. */
import type { ReportFigure } from './report-schema.js';

export const MISSING = 'n/a';

export function number(value: number | null, digits = 3): string {
  if (value === null) return MISSING;
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toFixed(digits);
}

/** `0.812 [0.790, 0.833]` */
export function figure({ value, low, high }: ReportFigure, digits = 3): string {
  return value === null
    ? MISSING
    : `${number(value, digits)} [${number(low, digits)}, ${number(high, digits)}]`;
}
