/** A table of the report as data: the same cells on the page, in the terminal, as CSV and as LaTeX. */
import { figure, MISSING, number, type ReportFigure } from './figure.js';

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
