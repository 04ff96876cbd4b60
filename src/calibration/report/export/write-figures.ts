/** The report in parts, for papers: each picture as SVG, each table as CSV and LaTeX. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '../../../errors.js';
import { writeWhole } from '../../store.js';
import { pictures } from '../html/pictures.js';
import { standalone } from '../html/svg.js';
import type { NamedReport } from '../reported.js';
import { reportTables } from '../tables/report-tables.js';
import { csvText, latexText } from './table-text.js';

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
