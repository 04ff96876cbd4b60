/** Tables and pictures as HTML. Every text is escaped. */
import { number } from '../figure.js';
import { cellText, isFigure, type Cell, type Table } from '../table.js';
import type { Picture } from './pictures.js';
import { escapeText } from './svg.js';

/** Tables of more become a card a row where the screen is narrow. */
const FEW_COLUMNS = 3;
/** Tables of more have their intervals below the values. */
const MANY_COLUMNS = 5;

/** With a title of its own and its note. `most`: rows that are shown, the others counted. */
export function tableHtml({ title, note, columns, rows }: Table, most = Infinity): string {
  const shown = rows.slice(0, most);
  const body = shown.map(
    (row) =>
      `<tr>${row.map((cell, i) => `<td data-label="${escapeText(columns[i]!)}">${cellHtml(cell)}</td>`).join('')}</tr>`,
  );
  const left = rows.length - shown.length;
  return [
    `<h3>${escapeText(title)}</h3>`,
    note === '' ? '' : `<p class="note">${escapeText(note)}</p>`,
    `<table${columns.length > FEW_COLUMNS ? ` class="cards${columns.length > MANY_COLUMNS ? ' stacked' : ''}"` : ''}><thead><tr>${columns.map((column) => `<th>${escapeText(column)}</th>`).join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`,
    left > 0 ? `<p class="quiet">${left} more rows: in the JSON, and in the files of --figures.</p>` : '',
  ].join('\n');
}

function cellHtml(cell: Cell): string {
  if (!isFigure(cell) || cell.value === null || cell.low === null) return escapeText(cellText(cell));
  return `<span>${number(cell.value)} <span class="ci">[${number(cell.low)}, ${number(cell.high)}]</span></span>`;
}

export function pictureHtml({ svg, caption }: Picture, place: number): string {
  return `<figure>${svg}<figcaption><b>Figure ${place}.</b> ${escapeText(caption)}</figcaption></figure>`;
}

export function listHtml(sentences: readonly string[]): string {
  return `<ul>${sentences.map((sentence) => `<li>${escapeText(sentence)}</li>`).join('')}</ul>`;
}
