/** Figures as they stand in the report: JSON has no NaN, so what is not defined is null. */
import type { Figure } from '../metrics/bootstrap.js';
import type { ReportFigure } from './report-schema.js';

export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

export function reportFigure({ value, low, high }: Figure): ReportFigure {
  return { value: finiteOrNull(value), low: finiteOrNull(low), high: finiteOrNull(high) };
}
