/** The report in parts, for papers and programs: each picture as SVG, each table as CSV and LaTeX. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '../../errors.js';
import { writeWhole } from '../../weights/whole-file.js';
import { number, cellText, isFigure, type Cell, type Table } from './figure.js';
import { pictures } from './html/pictures.js';
import { standalone } from './html/svg.js';
import type { NamedReport } from './reported.js';
import { reportTables } from './tables/report-tables.js';

/** Makes the directory, and writes NAME.svg, NAME.csv and NAME.tex into it. Returns how many of each. Errors: `precondition` where it cannot be written. */
export async function writeFigures(
  directory: string,
  named: NamedReport,
): Promise<{ readonly pictures: number; readonly tables: number }> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (cause) {
    throw new Fault('precondition', 'cannot be made a directory', {
      field: directory,
      found: (cause as Error).message,
      mend: 'Name a directory that exists or can be made.',
      cause,
    });
  }
  const drawn = pictures(named);
  const tables = reportTables(named);
  const write = (name: string, text: string): Promise<string> => writeWhole(path.join(directory, name), text);
  for (const { name, svg } of drawn) await write(`${name}.svg`, standalone(svg));
  for (const table of tables) {
    await write(`${table.name}.csv`, csvText(table));
    await write(`${table.name}.tex`, latexText(table));
  }
  return { pictures: drawn.length, tables: tables.length };
}

/** RFC 4180 with plain line ends. A column of values with intervals becomes three; numbers are whole, not rounded. */
export function csvText({ columns, rows }: Table): string {
  const hasInterval = columns.map((_, i) => rows.some((row) => isFigure(row[i])));
  const header = columns.flatMap((column, i) =>
    hasInterval[i] ? [column, `${column} low`, `${column} high`] : [column],
  );
  const line = (row: readonly Cell[]): string[] =>
    row.flatMap((cell, i) => {
      if (!hasInterval[i]) return [plain(cell)];
      return isFigure(cell) ? [cell.value, cell.low, cell.high].map(plain) : [plain(cell), '', ''];
    });
  return [header, ...rows.map(line)].map((cells) => `${cells.map(quoted).join(',')}\n`).join('');
}

function plain(cell: Cell): string {
  if (cell === null) return '';
  return isFigure(cell) ? plain(cell.value) : String(cell);
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** One `tabular`, ready for \input; needs the package booktabs. */
export function latexText({ title, note, columns, rows }: Table): string {
  const isText = columns.map((_, i) => rows.every((row) => typeof row[i] === 'string'));
  const line = (cells: readonly string[]): string => `${cells.join(' & ')} \\\\`;
  return [
    `% ${title}.${note === '' ? '' : ` ${note}`}`.replaceAll('\n', ' '),
    `\\begin{tabular}{${isText.map((text) => (text ? 'l' : 'r')).join('')}}`,
    '\\toprule',
    line(columns.map(escaped)),
    '\\midrule',
    ...rows.map((row) => line(row.map(latexCell))),
    '\\bottomrule',
    '\\end{tabular}',
    '',
  ].join('\n');
}

function latexCell(cell: Cell): string {
  if (isFigure(cell) && cell.value !== null && cell.low !== null) {
    return `${math(number(cell.value))} {\\footnotesize [${math(number(cell.low))}, ${math(number(cell.high))}]}`;
  }
  return typeof cell === 'number' ? math(cellText(cell)) : escaped(cellText(cell));
}

/** `1.5e-4` as a power of ten. */
function math(value: string): string {
  return `$${value.replace(/e\+?(-?\d+)$/, '\\cdot 10^{$1}')}$`;
}

const LATEX: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '|': '\\textbar{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
};

function escaped(text: string): string {
  return text.replaceAll(/[\\~^|<>#$%&_{}]/g, (character) => LATEX[character] ?? `\\${character}`);
}
