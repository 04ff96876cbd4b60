/** Markdown tables of the benchmarks, and whether a figure keeps what the project promises. */

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** ` (reach 1.15: met)` behind a figure; nothing where nothing is promised. */
export function verdict(value: number, bound: number | undefined, kind: 'least' | 'most'): string {
  if (bound === undefined) return '';
  const met = kind === 'least' ? value >= bound : value <= bound;
  return ` (reach ${bound}: ${met ? 'met' : 'missed'})`;
}
