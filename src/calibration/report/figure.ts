/**
 * Figures and tables of a report as data, and as text, the same on the page and in the terminal. JSON has no NaN, so what is not
 * defined (no such negatives, an empty bin) is null.
 */
import { z } from 'zod';
import type { Figure } from '../metrics/intervals.js';

const maybe = z.number().nullable();
/** Value with its 95 percent interval. */
export const figureSchema = z.strictObject({ value: maybe, low: maybe, high: maybe });
export type ReportFigure = z.infer<typeof figureSchema>;

export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

export function reportFigure({ value, low, high }: Figure): ReportFigure {
  return { value: finiteOrNull(value), low: finiteOrNull(low), high: finiteOrNull(high) };
}

/** Whether all of the interval lies above 0. */
export function isAboveZero({ low }: ReportFigure): boolean {
  return low !== null && low > 0;
}

export const MISSING = 'n/a';

/** What is left of sums that cancel. */
const ROUNDING = 1e-12;

export function number(value: number | null, digits = 3): string {
  if (value === null) return MISSING;
  const size = Math.abs(value) < ROUNDING ? 0 : Math.abs(value);
  if (size === 0) return (0).toFixed(digits);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(2) : value.toFixed(digits);
}

/** `0.812 [0.790, 0.833]`, `0.812 [n/a]` where one cluster alone gives no interval. */
export function figure({ value, low, high }: ReportFigure, digits = 3): string {
  if (value === null) return MISSING;
  const interval =
    low === null && high === null ? MISSING : `${number(low, digits)}, ${number(high, digits)}`;
  return `${number(value, digits)} [${interval}]`;
}

/** Text as it is, a number, or a value with its interval; null where it is not defined. */
export type Cell = string | number | ReportFigure | null;

export interface Table {
  /** Its file name without the end. */
  readonly name: string;
  readonly title: string;
  /** How to read it; empty where the columns say it. */
  readonly note: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export function isFigure(cell: Cell | undefined): cell is ReportFigure {
  return typeof cell === 'object' && cell !== null;
}

export function cellText(cell: Cell): string {
  if (cell === null) return MISSING;
  if (typeof cell === 'string') return cell;
  if (isFigure(cell)) return figure(cell);
  return Number.isInteger(cell) ? String(cell) : number(cell);
}

/** Header and rows as text, columns padded to their widest cell. */
export function tableLines({ columns, rows }: Pick<Table, 'columns' | 'rows'>): string[] {
  const lines = [columns, ...rows.map((row) => row.map(cellText))];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => `  ${line.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd());
}
