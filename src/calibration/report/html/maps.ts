/** Plots over two axes: the B x B matrix of one batch, and the energy around one expert chunk. */
import type { Report } from '../report-schema.js';
import { escapeText, frame, label, px, svg, viridis } from './svg.js';

const WIDTH = 470;
const HEIGHT = 400;
/** Room at the right for the colour bar. */
const BAR = 66;

/** Row = context, column = chunk; a good model has a dark diagonal. Lines part tasks, dots mark near-duplicates. */
export function matrixPlot({ plots: { matrix } }: Report): string {
  const { width, energies, tasks, near_duplicates: duplicates } = matrix;
  const every = Math.ceil(width / 10);
  const marks = Array.from({ length: width }, (_, i) => i).filter((i) => i % every === 0);
  const centre = marks.map((i): [number, string] => [i + 0.5, String(matrix.rows[i])]);
  const plot = frame(
    WIDTH - BAR,
    HEIGHT,
    { range: [0, width], title: 'chunk of row', ticks: centre },
    { range: [width, 0], title: 'context of row', ticks: centre },
  );
  const { x, y } = plot;
  const body = cells(plot, energies, width, (column) => [column, column + 1]);
  const borders = Array.from({ length: width - 1 }, (_, i) => i + 1)
    .filter((i) => tasks !== null && tasks[i] !== tasks[i - 1])
    .map((i) => `M${px(x(i))},${px(y(0))}V${px(y(width))}M${px(x(0))},${px(y(i))}H${px(x(width))}`);
  const dots = duplicates.map((at) => {
    const [column, row] = [at % width, Math.floor(at / width)];
    return `<circle cx="${px(x(column + 0.5))}" cy="${px(y(row + 0.5))}" r="2.6" fill="#fff" stroke="#111"/>`;
  });
  return svg(
    { width: WIDTH, height: HEIGHT },
    'Energy matrix of one batch',
    `${plot.axes}${body}<path d="${borders.join('')}" stroke="#fff" stroke-width="1.6"/>${dots.join('')}${colourBar(energies)}`,
  );
}

/** Lines of equal colour close around the expert, at the cross, when the energy guides towards it. */
export function landscapePlot({ plots: { landscape } }: Report): string | undefined {
  if (landscape === undefined) return undefined;
  const { pushes, energies, dim_names: names } = landscape;
  const half = (pushes[1]! - pushes[0]!) / 2;
  const range = [pushes[0]! - half, pushes.at(-1)! + half] as const;
  const plot = frame(
    WIDTH - BAR,
    HEIGHT,
    { range, title: `push along ${names[0]} (action units)` },
    { range, title: `push along ${names[1]} (action units)` },
  );
  const body = cells(plot, energies, pushes.length, (i) => [pushes[i]! - half, pushes[i]! + half]);
  const lowest = energies.indexOf(Math.min(...energies));
  const [x, y] = [
    plot.x(pushes[lowest % pushes.length]!),
    plot.y(pushes[Math.floor(lowest / pushes.length)]!),
  ];
  const cross = `M${px(plot.x(0) - 7)},${px(plot.y(0))}h14M${px(plot.x(0))},${px(plot.y(0) - 7)}v14`;
  const marks =
    `<path d="${cross}" stroke="#fff" stroke-width="4"/><path d="${cross}" stroke="#111" stroke-width="1.8"/>` +
    `<circle cx="${px(x)}" cy="${px(y)}" r="6" fill="none" stroke="#fff" stroke-width="3.4"/>` +
    `<circle cx="${px(x)}" cy="${px(y)}" r="6" fill="none" stroke="#D55E00" stroke-width="1.8"/>`;
  const title = 'Energy around one expert chunk';
  return svg({ width: WIDTH, height: HEIGHT }, title, plot.axes + body + marks + colourBar(energies));
}

/** [rows, width] coloured cells, each a hair larger than its place so that no seam shows. */
function cells(
  { x, y }: { x: (value: number) => number; y: (value: number) => number },
  energies: readonly number[],
  width: number,
  edges: (index: number) => readonly [number, number],
): string {
  const low = Math.min(...energies);
  const high = Math.max(...energies);
  const rects = energies
    .map((energy, at) => {
      const [left, right] = edges(at % width);
      const [from, to] = edges(Math.floor(at / width));
      const top = Math.min(y(from), y(to));
      const size = [x(right) - x(left) + 0.4, Math.abs(y(to) - y(from)) + 0.4] as const;
      const colour = viridis((energy - low) / (high - low || 1));
      return `<rect x="${px(x(left))}" y="${px(top)}" width="${px(size[0])}" height="${px(size[1])}" fill="${colour}"/>`;
    })
    .join('');
  return `<g shape-rendering="crispEdges">${rects}</g>`;
}

function colourBar(energies: readonly number[]): string {
  const low = Math.min(...energies);
  const high = Math.max(...energies);
  const steps = 40;
  const top = 30;
  const height = HEIGHT - 74;
  const left = WIDTH - BAR + 6;
  const slices = Array.from({ length: steps }, (_, i) => {
    const y = top + (height * i) / steps;
    return `<rect x="${left}" y="${px(y)}" width="12" height="${px(height / steps + 0.4)}" fill="${viridis(1 - i / (steps - 1))}"/>`;
  });
  const texts = [0, 0.5, 1].map(
    (share) =>
      `<text x="${left + 16}" y="${px(top + height * (1 - share))}" dy="${share === 1 ? '0.7em' : '0.1em'}">${escapeText(label(low + share * (high - low)))}</text>`,
  );
  return slices.join('') + texts.join('');
}
